#pragma once

#include <map>
#include <string>
#include <vector>

#include "sweeps/run_record.h"
#include "sweeps/study.h"

namespace palimpsest {

/// How the numbers of one metric compare with those of the ledger.
struct ComparedMetric {
  std::string metric;
  std::size_t numbers = 0, differing = 0;   // by their bits; numbers of no counterpart (other axes) all differ
  double largest = 0;                       // absolute difference of finite numbers
  bool same_axes = true;
};

/// A run made again.
struct Reproduction {
  std::string failure_then, failure_now;    // empty: it went well
  std::vector<ComparedMetric> metrics;      // those that either has, by name
  bool same() const;
};

/// Runs the run again, alone, in this thread. Throws Interrupted when a stop is asked for, and InputError where what the run reads (slow weights,
/// images) is no longer what it was, or the study's method is another: the same bits cannot be asked of another run.
Reproduction reproduce(const RunRecord&, const Study&, std::int64_t image_sets);

/// What differs between the program and machine that made the run and those of now: a line each. What cannot change bits (the command, when)
/// is left out.
std::vector<std::string> differing_environment(const std::map<std::string, std::string>& then, const std::map<std::string, std::string>& now);

}  // namespace palimpsest
