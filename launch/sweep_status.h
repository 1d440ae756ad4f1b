#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sweeps/ledger.h"

namespace palimpsest {

struct RunCounts {
  std::int64_t done = 0, failed = 0, waiting = 0;
  std::int64_t quarantined = 0;       // of those that failed
  std::int64_t all() const { return done + failed + waiting; }
};

/// A pack that a worker has in hand.
struct PackInFlight {
  std::int64_t pack = 0, open = 0;    // runs not yet reported
  std::string host;
  int rank = 0;
  double seconds = 0;                 // since it was handed out
};

struct FailedRun {
  RunId id;
  std::int64_t number = 0;            // its place in the plan
  std::string condition;              // "fast.qkv = adapter, image set 3, seed 0"
};

/// How far a sweep is, as its ledger tells it.
struct SweepStatus {
  std::string study, name;
  bool running = false;                                       // a coordinator is at work on it
  RunCounts runs;
  std::vector<std::pair<std::string, RunCounts>> conditions;  // "fast.qkv = adapter, ...", by name; none where they are too many to read
  std::vector<PackInFlight> packs;                            // while it runs
  std::map<std::string, std::vector<FailedRun>> failures;     // by reason
  std::optional<double> runs_per_hour, seconds_left;          // of this session, while it runs and something is done
};

SweepStatus status_of(const Ledger&, bool running, double now);

std::string status_text(const SweepStatus&);
std::string status_json(const SweepStatus&);

}  // namespace palimpsest
