#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace palimpsest {

/// Bootstrap resamples of n units, as a matrix of how often each unit is drawn. All cells of n units share it, so that
/// the sums of all resamples of all cells are one matrix product.
class Resamples {
 public:
  /// `count` resamples of n >= 1 units with replacement; equal seeds give equal ones.
  Resamples(std::size_t n, std::size_t count, std::uint64_t seed = 0);

  std::size_t units() const { return n_; }
  std::size_t count() const { return count_; }
  double drawn(std::size_t resample, std::size_t unit) const;

  /// The sums of every resample of some cells.
  ///   values_CN  [cells, n]
  ///   sums_CR    [cells, count], overwritten
  void sums(std::span<const double> values_CN, std::span<double> sums_CR) const;

 private:
  static constexpr std::size_t kPanel = 8;  // resamples that lie side by side
  std::size_t n_, count_;
  std::vector<double> panels_;  // [ceil(count / kPanel), n, kPanel]
};

}  // namespace palimpsest
