#pragma once

#include <vector>

#include "models/objective.h"

namespace palimpsest {

/// The parts of a batch, computed one after another.
class StepParts {
 public:
  void take(const Batch& batch, std::int64_t parts);
  /// Where steps are recorded (runtime/step_graph.h): with all that their losses take from the host. The tensors are those of the first
  /// batch for ever, and the values are this one's.
  void take_in_place(const Batch& batch, std::int64_t parts, const Objective&);
  void let_go() { parts_.clear(); }
  const std::vector<Batch>& all() const { return parts_; }

 private:
  std::vector<Batch> parts_;
};

}  // namespace palimpsest
