#pragma once

#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "sweeps/rows.h"

namespace palimpsest {

/// Rows of a sweep that was never run: a grid, image sets and seeds, and a function for what each run measured.
struct MadeUpSweep {
  struct GridAxis {
    std::string key;
    std::vector<Value> values;
  };
  std::vector<GridAxis> grid;
  std::int64_t image_sets = 13, seeds = 3;
  Settings base = {};
  std::vector<LedgerClaim> claims = {};
  std::function<Measurement(const LedgerRun&, const std::string& metric)> measure = {};
  std::function<bool(const LedgerRun&, const std::string& metric)> measured = [](const LedgerRun&, const std::string&) { return true; };
  std::function<RunState(const LedgerRun&)> state = [](const LedgerRun&) { return RunState::kDone; };

  Rows rows() const {
    Rows out;
    for (const GridAxis& axis : grid) out.axes.push_back(axis.key);
    out.claims = claims;
    std::vector<Settings> cells = {base};
    for (const GridAxis& axis : grid) cells = spread(cells, axis);
    for (const Settings& cell : cells)
      for (std::int64_t set = 0; set < image_sets; ++set)
        for (std::int64_t seed = 0; seed < seeds; ++seed) out.runs.push_back(run(cell, set, seed, out.runs.size()));
    out.for_each_measurement = [made = out.runs, measure = measure, measured = measured](std::span<const LedgerRun> runs, const Takers& takers) {
      std::unordered_map<RunId, const LedgerRun*> by_id;   // a run measured what it did, whatever a test makes of its row
      for (const LedgerRun& run : made) by_id[run.spec.id] = &run;
      for (std::size_t i = 0; i < runs.size(); ++i)
        for (const auto& [metric, take] : takers)
          if (const LedgerRun& run = *by_id.at(runs[i].spec.id); run.state == RunState::kDone && measured(run, metric)) take(i, measure(run, metric));
    };
    return out;
  }

 private:
  static std::vector<Settings> spread(const std::vector<Settings>& cells, const GridAxis& axis) {
    std::vector<Settings> out;
    for (const Settings& cell : cells)
      for (const Value& value : axis.values) out.emplace_back(cell).set(axis.key, value);
    return out;
  }
  LedgerRun run(const Settings& cell, std::int64_t set, std::int64_t seed, std::size_t number) const {
    LedgerRun run;
    run.spec = {"run-" + std::to_string(number), cell, seed, set};
    run.state = state(run);
    run.attempts = 1;
    if (run.state == RunState::kFailed) run.reason = "the training loss is not a number at step 12";
    return run;
  }
};

/// A measurement without axes.
inline Measurement scalar(const std::string& metric, double value) { return {metric, {}, {static_cast<float>(value)}}; }

}  // namespace palimpsest
