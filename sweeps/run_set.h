#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace palimpsest {

/// Numbers of runs, ascending, each once, held as ranges: ten million that follow each other take as much room as ten. A slice of a sweep, which
/// has every step-th number, is one range as well.
class RunSet {
 public:
  /// Numbers first + step * place, for the places in [begin, end).
  struct Range {
    std::int64_t begin = 0, end = 0;
    std::int64_t before = 0;           // members in earlier ranges
    bool operator==(const Range&) const = default;
  };

  RunSet() = default;
  RunSet(const std::vector<std::int64_t>& ascending);
  RunSet(std::initializer_list<std::int64_t> ascending) : RunSet(std::vector<std::int64_t>(ascending)) {}
  /// Every step-th number below `end`, from `first` on; first < step.
  static RunSet below(std::int64_t end, std::int64_t first = 0, std::int64_t step = 1);

  std::int64_t size() const { return ranges_.empty() ? 0 : ranges_.back().before + ranges_.back().end - ranges_.back().begin; }
  bool empty() const { return ranges_.empty(); }
  bool contains(std::int64_t number) const;
  std::int64_t nth(std::int64_t place) const;                          // place < size()
  RunSet without(const std::vector<std::int64_t>& ascending) const;    // those that are not members do not matter
  std::vector<std::int64_t> numbers() const;                           // laid out
  bool operator==(const RunSet&) const = default;

  const std::vector<Range>& ranges() const { return ranges_; }
  std::int64_t number_at(std::int64_t place) const { return first_ + step_ * place; }
  /// Members of the range from `place` on whose numbers are below `limit`.
  std::int64_t members_below(std::int64_t limit, std::int64_t place, const Range&) const;

  /// "0:1:0-9,12-19": first, step, ranges of places, both ends included. Throws std::invalid_argument where a text is none.
  std::string text() const;
  static RunSet of_text(std::string_view);

 private:
  void add(std::int64_t begin, std::int64_t end);                      // of places, after those there are

  std::int64_t first_ = 0, step_ = 1;
  std::vector<Range> ranges_;
};

}  // namespace palimpsest
