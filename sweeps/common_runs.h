#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "sweeps/plan.h"
#include "sweeps/run_set.h"

namespace palimpsest {

/// The runs that two plans of one study share, under whatever numbers. Cells are matched by their values on the axes, so no run's identity is computed:
/// ten million of them take seconds. For one thread; both plans must outlive it.
class CommonRuns {
 public:
  CommonRuns(const Plan& before, const Plan& plan);
  ~CommonRuns();
  /// In `plan`, of a run of `before`: quick where runs of a cell follow each other.
  std::optional<std::int64_t> number_of(std::int64_t number);
  std::int64_t count(const RunSet& of_before);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace palimpsest
