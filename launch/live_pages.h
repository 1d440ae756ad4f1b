#pragma once

#include <atomic>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "launch/local_server.h"
#include "launch/sweep_status.h"
#include "sweeps/report.h"

namespace palimpsest {

/// Verdicts on the way stand up to looking where units are added until claims are decided, and nowhere else.
bool may_judge(const ReportSource&, const SweepStatus&);
extern const char* const kNoVerdictYet;   // what is said instead
SweepStatus status_now(const std::filesystem::path& results);
bool through(const SweepStatus&);

/// What a browser shows of a sweep at work: status, claims and figures. A thread of its own makes them anew where the ledger changed, and takes a fifth
/// of its time for that at most: of very many runs a report takes seconds. A reader is answered at once, with what was made last.
class LivePages {
 public:
  /// The status is there when this returns.
  explicit LivePages(std::filesystem::path results);
  ~LivePages();
  LivePages(const LivePages&) = delete;

  /// The response to a path; nothing where there is no such page. Throws what the thread ended with.
  std::optional<Response> answer(const std::string& path);

 private:
  void work();
  void make_what_changed();
  void make_from_runs(const SweepStatus&);
  void put(const std::string& path, std::string body);
  void rest(double seconds) const;

  const std::filesystem::path results_;
  std::mutex mutex_;
  std::map<std::string, std::string> bodies_;   // by path, as are how often each was made
  std::map<std::string, int> made_;
  std::exception_ptr error_;
  std::string seen_;                            // of the ledger's files, and whether a coordinator is at work
  double looked_ = 0;                           // seconds since 1970
  std::int64_t settled_ = -1;                   // runs that claims and figures are of
  bool was_running_ = false;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

}  // namespace palimpsest
