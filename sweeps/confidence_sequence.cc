#include "sweeps/confidence_sequence.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace palimpsest {
namespace {

constexpr std::array kBets = {0.1, 0.2, 0.3};  // larger ones decide sooner, and mistake skew for an effect
constexpr double kMost = 0.9;                  // of the wealth that is put on one unit
constexpr std::size_t kNotBetOn = 2;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The SD of the units so far.
class Scale {
 public:
  double value() const { return count_ < 2 ? 0 : std::sqrt(squares_ / (count_ - 1)); }
  void add(double x) {
    const double away = x - mean_;
    mean_ += away / ++count_;
    squares_ += away * (x - mean_);
  }

 private:
  double mean_ = 0, squares_ = 0, count_ = 0;
};

/// The SD of the units before each.
std::vector<double> scales(std::span<const double> units) {
  std::vector<double> out;
  Scale scale;
  for (double x : units) {
    out.push_back(scale.value());
    scale.add(x);
  }
  return out;
}

double bet(double share, double away, double scale) {
  if (scale > 0) return std::clamp(share * away / scale, -kMost, kMost);
  return away > 0 ? kMost : away < 0 ? -kMost : 0;
}

double log_mean_exp(const std::array<double, kBets.size()>& logs) {
  const double largest = *std::max_element(logs.begin(), logs.end());
  double sum = 0;
  for (double one : logs) sum += std::exp(one - largest);
  return largest + std::log(sum / static_cast<double>(logs.size()));
}

}  // namespace

ConfidenceSequence::ConfidenceSequence(std::span<const double> units)
    : units_(units.begin(), units.end()), scales_(scales(units)) {}

double ConfidenceSequence::log_wealth(double centre, double sign) const {
  std::array<double, kBets.size()> logs{};
  double largest = 0;
  for (std::size_t i = kNotBetOn; i < units_.size(); ++i) {
    for (std::size_t b = 0; b < kBets.size(); ++b)
      logs[b] += std::log1p(bet(kBets[b], sign * (units_[i] - centre), scales_[i]));
    largest = std::max(largest, log_mean_exp(logs));
  }
  return largest;
}

double ConfidenceSequence::p() const {
  return std::min(1.0, 2 * std::exp(-std::max(log_wealth(0, 1), log_wealth(0, -1))));
}

double ConfidenceSequence::equivalence_p(double bound) const {
  if (bound <= 0) return 1;
  return std::exp(-std::min(log_wealth(-bound, 1), log_wealth(bound, -1)));
}

/// The centre at which betting on larger (sign 1) or smaller values (-1) reached the limit, by halving.
double ConfidenceSequence::bound(double log_limit, double sign) const {
  const auto [low, high] = std::minmax_element(units_.begin(), units_.end());
  const double width = std::max(*high - *low, std::numeric_limits<double>::min());
  double out = sign > 0 ? *low - 1e3 * width : *high + 1e3 * width, in = sign > 0 ? *high : *low;
  if (log_wealth(out, sign) < log_limit) return -sign * kInfinity;
  for (int halving = 0; halving < 80; ++halving) {
    const double middle = (out + in) / 2;
    (log_wealth(middle, sign) < log_limit ? in : out) = middle;
  }
  return out;
}

Interval ConfidenceSequence::interval(double confidence) const {
  if (units_.size() <= kNotBetOn) return {-kInfinity, kInfinity};
  const double log_limit = std::log(2 / (1 - confidence));
  return {bound(log_limit, 1), bound(log_limit, -1)};
}

std::optional<std::int64_t> units_to_decide(const std::function<double(std::int64_t)>& unit, std::int64_t most, double alpha) {
  std::array<double, kBets.size()> wealth;
  wealth.fill(1);
  Scale scale;
  for (std::int64_t i = 0; i < most; ++i) {
    const double x = unit(i);
    double sum = 0;
    for (std::size_t b = 0; b < kBets.size(); ++b) sum += wealth[b] *= i < static_cast<std::int64_t>(kNotBetOn) ? 1 : 1 + bet(kBets[b], x, scale.value());
    if (sum / static_cast<double>(kBets.size()) >= 2 / alpha) return i + 1;
    scale.add(x);
  }
  return std::nullopt;
}

std::int64_t fewest_units(double alpha, std::size_t claims) {
  const double wealth = 2 * static_cast<double>(claims) / alpha;
  return static_cast<std::int64_t>(kNotBetOn) + static_cast<std::int64_t>(std::ceil(std::log(wealth) / std::log1p(kMost)));
}

}  // namespace palimpsest
