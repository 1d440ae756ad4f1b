#include "sweeps/ledger_backup.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <memory>
#include <vector>

#include "runtime/error.h"
#include "runtime/log.h"

namespace palimpsest {
namespace {

constexpr std::size_t kKept = 2;
constexpr int kBusyMilliseconds = 20'000;

using Database = std::unique_ptr<sqlite3, decltype(&sqlite3_close)>;

Database opened(const std::filesystem::path& file, int flags) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &handle, flags, nullptr);
  Database database(handle, &sqlite3_close);
  if (code != SQLITE_OK) throw Interrupted(fmt::format("{}: {}", file.string(), sqlite3_errstr(code)));
  sqlite3_busy_timeout(handle, kBusyMilliseconds);
  return database;
}

bool is_sound(const std::filesystem::path& file) {
  bool sound = false;
  const auto note = [](void* result, int, char** values, char**) {
    *static_cast<bool*>(result) = values[0] && std::string_view(values[0]) == "ok";
    return 0;
  };
  return sqlite3_exec(opened(file, SQLITE_OPEN_READONLY).get(), "PRAGMA quick_check(1)", note, &sound, nullptr) == SQLITE_OK && sound;
}

// One transaction's view of `from`, whole, in a file without a write-ahead log beside it.
void copy_whole(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::filesystem::remove(to);
  const Database source = opened(from, SQLITE_OPEN_READONLY), target = opened(to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  sqlite3_backup* backup = sqlite3_backup_init(target.get(), "main", source.get(), "main");
  const int code = backup ? sqlite3_backup_step(backup, -1) : sqlite3_errcode(target.get());
  sqlite3_backup_finish(backup);
  if (code != SQLITE_DONE) throw Interrupted(fmt::format("{}: cannot be copied to {}: {}", from.string(), to.string(), sqlite3_errstr(code)));
  sqlite3_exec(target.get(), "PRAGMA journal_mode = DELETE", nullptr, nullptr, nullptr);
}

// From its beginning to its end; nothing else is asked of the folder.
void write_through(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::ifstream in(from, std::ios::binary);
  std::ofstream out(to, std::ios::binary);
  out << in.rdbuf();
  out.close();
  if (!in || !out) throw Interrupted(fmt::format("{}: cannot be written. Free space, or see that it is mounted", to.string()));
}

struct Copy {
  std::int64_t number = 0;
  std::filesystem::path file;
};

// The newest first.
std::vector<Copy> copies_in(const std::filesystem::path& folder) {
  std::vector<Copy> copies;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(folder, absent)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("ledger-") || !name.ends_with(".sqlite")) continue;
    Copy copy{0, entry.path()};
    const char *first = name.data() + 7, *last = name.data() + name.size() - 7;
    if (const auto [end, error] = std::from_chars(first, last, copy.number); error == std::errc{} && end == last) copies.push_back(copy);
  }
  std::ranges::sort(copies, std::greater{}, &Copy::number);
  return copies;
}

}  // namespace

void back_up_ledger(const std::filesystem::path& results, const std::filesystem::path& backup) {
  const auto ledger = results / "ledger.sqlite", local = results / "ledger.copy";
  if (!std::filesystem::exists(ledger)) return;
  std::error_code error;
  std::filesystem::create_directories(backup, error);
  if (error) throw Interrupted(fmt::format("{}: cannot be made: {}", backup.string(), error.message()));
  copy_whole(ledger, local);
  const auto before = copies_in(backup);
  write_through(local, backup / fmt::format("ledger-{}.sqlite", before.empty() ? 1 : before[0].number + 1));
  std::filesystem::remove(local);
  for (std::size_t i = kKept - 1; i < before.size(); ++i) std::filesystem::remove(before[i].file, error);
}

bool take_up_backup(const std::filesystem::path& results, const std::filesystem::path& backup) {
  if (std::filesystem::exists(results / "ledger.sqlite")) return false;
  for (const Copy& copy : copies_in(backup)) {
    if (!is_sound(copy.file)) continue;   // it was cut off
    std::filesystem::create_directories(results);
    write_through(copy.file, results / "ledger.copy");
    std::filesystem::rename(results / "ledger.copy", results / "ledger.sqlite");
    return true;
  }
  return false;
}

LedgerBackup::LedgerBackup(std::filesystem::path results, std::filesystem::path backup, std::chrono::milliseconds interval)
    : results_(std::move(results)), backup_(std::move(backup)), interval_(interval), thread_([this] { work(); }) {}

LedgerBackup::~LedgerBackup() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  left_.notify_one();
  thread_.join();
  copy();
}

void LedgerBackup::work() {
  std::unique_lock lock(mutex_);
  while (!left_.wait_for(lock, interval_, [this] { return leaving_; })) {
    lock.unlock();
    copy();
    lock.lock();
  }
}

void LedgerBackup::copy() {
  try {
    back_up_ledger(results_, backup_);
    told_.clear();
  } catch (const std::exception& error) {
    if (told_ != error.what()) log().warn("the ledger could not be backed up: {}", error.what());
    told_ = error.what();
  }
}

}  // namespace palimpsest
