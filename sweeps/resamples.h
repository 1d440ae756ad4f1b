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
  /// `count` resamples of n units with replacement, 1 <= n <= 32,767; equal seeds give equal ones.
  Resamples(std::size_t n, std::size_t count, std::uint64_t seed = 0);

  std::size_t units() const { return n_; }
  std::size_t count() const { return count_; }
  double drawn(std::size_t resample, std::size_t unit) const { return counts_[place(resample, unit)]; }

  /// The sum of a resample, unit after unit.
  double sum(std::size_t resample, std::span<const double> values) const;

  /// The sums of every resample of some cells of whole numbers: exact, whatever computes them.
  ///   values_CN  [cells, n], each from -32,767 to 32,767
  ///   sums_CR    [cells, count], overwritten
  void sums(std::span<const std::int16_t> values_CN, std::span<std::int32_t> sums_CR) const;

 private:
  static constexpr std::size_t kPanel = 16;  // resamples that lie side by side
  std::size_t pairs() const { return (n_ + 1) / 2; }
  std::size_t place(std::size_t resample, std::size_t unit) const {
    return ((resample / kPanel * pairs() + unit / 2) * kPanel + resample % kPanel) * 2 + unit % 2;
  }
  std::size_t n_, count_;
  std::vector<std::int16_t> counts_;  // [ceil(count / kPanel), pairs of units, kPanel, 2]: what one instruction multiplies and adds lies together
};

}  // namespace palimpsest
