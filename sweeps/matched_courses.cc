#include "sweeps/matched_courses.h"

#include <algorithm>
#include <cmath>

namespace palimpsest {
namespace {

/// The lowest loss up to x; the first one where none was before.
double reached(const Course& lowest, double x) {
  const auto after = std::ranges::upper_bound(lowest.x, x);
  return lowest.y[static_cast<std::size_t>(std::max<std::ptrdiff_t>(1, after - lowest.x.begin()) - 1)];
}

/// Places on the way: what the change is there, and the lowest loss up to there.
struct Way {
  std::vector<double> change, loss;
};

Way way_of(const MatchedCourse& one) {
  const Course& change = one.change;
  const double end = one.lowest.x.back();
  Way way;
  for (std::size_t k = 0; k < change.x.size(); ++k) {
    const bool beyond = k > 0 && change.x[k] > end;
    const double share = beyond ? std::max(0.0, end - change.x[k - 1]) / (change.x[k] - change.x[k - 1]) : 1;
    way.change.push_back(k == 0 ? change.y[0] : std::lerp(change.y[k - 1], change.y[k], share));
    way.loss.push_back(reached(one.lowest, change.x[k]));
    if (beyond) break;
  }
  return way;
}

double change_at(const Way& way, double loss) {
  const auto there = static_cast<std::size_t>(std::ranges::find_if(way.loss, [&](double l) { return l <= loss; }) - way.loss.begin());
  if (there == 0) return way.change[0];
  return std::lerp(way.change[there - 1], way.change[there], (way.loss[there - 1] - loss) / (way.loss[there - 1] - way.loss[there]));
}

}  // namespace

Course lowest_so_far(const Course& course) {
  Course lowest;
  for (std::size_t i = 0; i < course.x.size(); ++i)
    if (lowest.y.empty() || course.y[i] < lowest.y.back()) lowest.x.push_back(course.x[i]), lowest.y.push_back(course.y[i]);
  if (!lowest.x.empty()) lowest.x.push_back(course.x.back()), lowest.y.push_back(lowest.y.back());
  return lowest;
}

double difference_at_equal_loss(const MatchedCourse& treatment, const MatchedCourse& baseline) {
  const Way one = way_of(treatment), other = way_of(baseline);
  const double loss = std::max(one.loss.back(), other.loss.back());
  return change_at(one, loss) - change_at(other, loss);
}

}  // namespace palimpsest
