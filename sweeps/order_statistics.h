#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace palimpsest {

/// Many numbers, each known as a whole number to within `error`, and exactly where it is asked for. What is exact of all of them is found from
/// the few that can matter: a tail of the rough ones is looked at, and of that what lies within the error of the place.
class OrderStatistics {
 public:
  struct Window {
    double low, high;  // rough
  };
  struct Neighbours {
    double here, next;
  };

  /// exact(i) / unit is within `error` of rough[i]; |rough[i]| + 2 error < 2^30. The numbers must outlive this.
  OrderStatistics(std::span<const std::int32_t> rough, std::int32_t error, std::function<double(std::size_t)> exact);

  /// The share of numbers below one of them, or below another, known in both ways; ties are counted half.
  double share_below(std::int32_t rough, double exact);
  /// The number of that rank (0: the smallest) and the one after it; the last one's neighbour is itself. A guess where the first lies saves time.
  Neighbours at(std::size_t rank, Window guess);

 private:
  struct Near {
    std::int32_t rough;
    std::uint32_t place;
  };
  void look(std::int32_t low, std::int32_t high);
  bool holds(std::size_t rank);
  Neighbours exact_at(std::size_t rank);

  std::span<const std::int32_t> rough_;
  std::int32_t error_;
  std::function<double(std::size_t)> exact_;
  std::int32_t low_ = 0, high_ = 0;
  std::size_t below_ = 0;               // numbers under low_
  std::unique_ptr<std::uint32_t[]> room_;
  std::vector<Near> near_;              // those from low_ to high_; after holds(), the one of the rank and the next are at their places
};

}  // namespace palimpsest
