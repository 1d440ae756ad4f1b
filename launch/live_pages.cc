#include "launch/live_pages.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "launch/stop_signal.h"
#include "runtime/clock.h"
#include "sweeps/claim_card.h"
#include "sweeps/page_assets.h"

namespace palimpsest {
namespace {

constexpr double kEverySeconds = 2, kTurnSeconds = 0.2;
constexpr double kRests = 4;          // times as long as it took
constexpr double kStaleSeconds = 10;  // how long packs are in flight grows without the ledger

const std::string kStatus = "/status.json", kClaims = "/claims.html", kReport = "/report.html";

std::string note(const std::string& text) { return "<p class=\"note\">" + text + "</p>"; }

// What changes with each transaction.
std::string mark_of(const std::filesystem::path& results, bool running) {
  std::string mark = running ? "running" : "";
  for (const char* name : {"ledger.sqlite", "ledger.sqlite-wal"}) {
    std::error_code none;
    const auto size = std::filesystem::file_size(results / name, none);
    mark += fmt::format(" {} {}", none ? 0 : size, std::filesystem::last_write_time(results / name, none).time_since_epoch().count());
  }
  return mark;
}

std::string claims_page(const ReportSource& source, bool judged) {
  if (source.rows.claims.empty()) return note("The sweep makes no claim.");
  if (!judged) return note(kNoVerdictYet);
  std::string cards;
  std::size_t number = 0;
  for (const ClaimResult& claim : judge(source.rows)) cards += claim_card(claim, source.rows.unit, ++number);
  return cards;
}

std::string figures_page(ReportSource source, bool judged) {
  if (!judged) source.rows.claims.clear();
  return report_page(source);
}

}  // namespace

const char* const kNoVerdictYet =
    "Verdicts come when all runs are through: looked at on the way they would be wrong more often than they say. [replicate] in the definition makes "
    "verdicts that stand up to looking.";

SweepStatus status_now(const std::filesystem::path& results) {
  const bool running = Ledger::held(results);
  return status_of(Ledger::open_for_reading(results), running, unix_time());
}

bool through(const SweepStatus& status) { return status.runs.waiting == 0 && !status.running; }

bool may_judge(const ReportSource& source, const SweepStatus& status) { return source.rows.replication || through(status); }

LivePages::LivePages(std::filesystem::path results) : results_(std::move(results)) {
  put(kStatus, status_json(status_now(results_)));   // there is a ledger, or it says why not
  bodies_[kClaims] = bodies_[kReport] = note("Being made.");
  thread_ = std::thread([this] { work(); });
}

LivePages::~LivePages() {
  ended_ = true;
  thread_.join();
}

std::optional<Response> LivePages::answer(const std::string& path) {
  if (path == "/") return Response{"text/html", std::string(watch_page())};
  if (path == "/style.css") return Response{"text/css", std::string(page_style())};
  const std::lock_guard lock(mutex_);
  if (error_) std::rethrow_exception(error_);
  if (path == "/made.json") return Response{"application/json", nlohmann::json(made_).dump() + "\n"};
  const auto found = bodies_.find(path);
  if (found == bodies_.end()) return std::nullopt;
  return Response{path.ends_with("json") ? "application/json" : "text/html", found->second};
}

void LivePages::work() {
  try {
    while (!ended_ && !stop_requested()) {
      const double began = unix_time();
      make_what_changed();
      rest(std::max(kEverySeconds, kRests * (unix_time() - began)));
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    error_ = std::current_exception();
  }
}

void LivePages::make_what_changed() {
  const bool running = Ledger::held(results_);
  const std::string mark = mark_of(results_, running);
  if (mark == seen_ && !(running && unix_time() - looked_ > kStaleSeconds)) return;
  seen_ = mark, looked_ = unix_time();
  const SweepStatus status = status_now(results_);
  put(kStatus, status_json(status));
  const std::int64_t settled = status.runs.done + status.runs.failed;
  if (settled == settled_ && status.running == was_running_) return;
  make_from_runs(status);
  settled_ = settled, was_running_ = status.running;
}

void LivePages::make_from_runs(const SweepStatus& status) {
  const Ledger ledger = Ledger::open_for_reading(results_);
  const ReportSource source = report_source(ledger);
  const bool judged = may_judge(source, status);
  put(kClaims, claims_page(source, judged));
  if (!ended_ && !stop_requested()) put(kReport, figures_page(source, judged));
}

void LivePages::put(const std::string& path, std::string body) {
  const std::lock_guard lock(mutex_);
  bodies_[path] = std::move(body);
  ++made_[path];
}

void LivePages::rest(double seconds) const {
  for (const double end = unix_time() + seconds; unix_time() < end && !ended_ && !stop_requested();)
    std::this_thread::sleep_for(std::chrono::duration<double>(kTurnSeconds));
}

}  // namespace palimpsest
