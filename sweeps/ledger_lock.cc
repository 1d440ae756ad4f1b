#include "sweeps/ledger_lock.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>

#include "runtime/error.h"
#include "runtime/host_name.h"

namespace palimpsest {
namespace {

std::filesystem::path lock_file(const std::filesystem::path& folder) { return folder / "ledger.lock"; }

struct flock whole_file() {
  struct flock range = {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  return range;
}

// An open-file-description lock: it belongs to this open file, so that a library that opens and closes the file gives nothing up.
// A file system without locks (some parallel ones) leaves the epoch, which every transaction checks.
bool try_lock(int file) {
  struct flock range = whole_file();
  return fcntl(file, F_OFD_SETLK, &range) == 0 || (errno != EAGAIN && errno != EACCES);
}

std::string holder(const std::filesystem::path& folder) {
  std::string text;
  std::getline(std::ifstream(lock_file(folder)), text);
  return text.empty() ? "another process" : text;
}

void write_holder(int file) {
  const std::string text = fmt::format("process {} on {}\n", getpid(), host_name());
  if (ftruncate(file, 0) != 0 || pwrite(file, text.data(), text.size(), 0) < 0) return;  // a courtesy; the lock is what counts
}

}  // namespace

LedgerLock::LedgerLock(const std::filesystem::path& folder, double patience) {
  file_ = open(lock_file(folder).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0)
    throw InputError(fmt::format("{}: cannot be written to: {}. Name a folder that can be written to.", folder.string(),
                                 std::strerror(errno)));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(patience);
  while (!try_lock(file_)) {
    if (std::chrono::steady_clock::now() >= deadline) {
      close(file_);
      throw LedgerHeld(fmt::format("{}: {} is at work on this sweep. Wait for it, or stop it (SIGTERM) and run the same command again; "
                                   "`palimpsest status {}` shows how far it is.",
                                   folder.string(), holder(folder), folder.string()));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  write_holder(file_);
}

LedgerLock::~LedgerLock() {
  if (file_ >= 0) close(file_);
}

bool LedgerLock::held(const std::filesystem::path& folder) {
  const int file = open(lock_file(folder).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  struct flock range = whole_file();
  range.l_type = F_RDLCK;  // a file opened for reading can ask for no more
  const bool asked = fcntl(file, F_OFD_GETLK, &range) == 0;
  close(file);
  return asked && range.l_type != F_UNLCK;
}

}  // namespace palimpsest
