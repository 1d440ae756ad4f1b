#pragma once

#include <vector>

namespace palimpsest {

/// Numbers along an axis: what a change has come to at each place, or the loss before each step. `x` ascends.
struct Course {
  std::vector<double> x, y;
};

/// How a run comes to its value, and the lowest loss that it has had on the way, on one axis; neither is empty.
struct MatchedCourse {
  const Course& change;
  const Course& lowest;
};

/// What the change of one has come to less that of another, each where it first reaches the lowest loss that both reach. Between two places of a change it
/// goes with the loss; what comes after the last loss is not looked at.
double difference_at_equal_loss(const MatchedCourse& treatment, const MatchedCourse& baseline);

/// Of a loss: each that is lower than all before, and where it ends.
Course lowest_so_far(const Course&);

}  // namespace palimpsest
