#include "sweeps/run_set.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace palimpsest {
namespace {

// Takes a number and the mark behind it off the front.
std::int64_t take_number(std::string_view& text, char mark) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto length = static_cast<std::size_t>(end - text.data());
  if (error != std::errc{} || number < 0 || (length < text.size() ? text[length] != mark : mark != ','))
    throw std::invalid_argument("no set of runs: " + std::string(text.substr(0, 40)));
  text.remove_prefix(std::min(length + 1, text.size()));
  return number;
}

}  // namespace

RunSet::RunSet(const std::vector<std::int64_t>& ascending) {
  for (const std::int64_t number : ascending) add(number, number + 1);
}

RunSet RunSet::below(std::int64_t end, std::int64_t first, std::int64_t step) {
  RunSet set;
  set.first_ = first, set.step_ = step;
  if (end > first) set.add(0, (end - first + step - 1) / step);
  return set;
}

void RunSet::add(std::int64_t begin, std::int64_t end) {
  if (begin >= end) return;
  if (!ranges_.empty() && ranges_.back().end == begin) ranges_.back().end = end;
  else ranges_.push_back({begin, end, size()});
}

bool RunSet::contains(std::int64_t number) const {
  if (number < first_ || (number - first_) % step_ != 0) return false;
  const std::int64_t place = (number - first_) / step_;
  const auto after = std::ranges::upper_bound(ranges_, place, {}, &Range::begin);
  return after != ranges_.begin() && place < std::prev(after)->end;
}

std::int64_t RunSet::nth(std::int64_t place) const {
  const auto range = std::prev(std::ranges::upper_bound(ranges_, place, {}, &Range::before));
  return number_at(range->begin + place - range->before);
}

RunSet RunSet::without(const std::vector<std::int64_t>& ascending) const {
  RunSet left;
  left.first_ = first_, left.step_ = step_;
  auto next = ascending.begin();
  for (const Range& range : ranges_) {
    std::int64_t begin = range.begin;
    for (next = std::lower_bound(next, ascending.end(), number_at(range.begin)); next != ascending.end() && *next < number_at(range.end); ++next) {
      if ((*next - first_) % step_ != 0) continue;
      left.add(begin, (*next - first_) / step_);
      begin = (*next - first_) / step_ + 1;
    }
    left.add(begin, range.end);
  }
  return left;
}

std::vector<std::int64_t> RunSet::numbers() const {
  std::vector<std::int64_t> numbers;
  numbers.reserve(static_cast<std::size_t>(size()));
  for (const Range& range : ranges_)
    for (std::int64_t place = range.begin; place < range.end; ++place) numbers.push_back(number_at(place));
  return numbers;
}

std::int64_t RunSet::members_below(std::int64_t limit, std::int64_t place, const Range& range) const {
  return std::min(range.end, (limit - first_ + step_ - 1) / step_) - place;
}

std::string RunSet::text() const {
  std::string out = std::to_string(first_) + ":" + std::to_string(step_) + ":";
  for (const Range& range : ranges_) out += (out.back() == ':' ? "" : ",") + std::to_string(range.begin) + "-" + std::to_string(range.end - 1);
  return out;
}

RunSet RunSet::of_text(std::string_view text) {
  RunSet set;
  set.first_ = take_number(text, ':');
  set.step_ = take_number(text, ':');
  if (set.step_ < 1) throw std::invalid_argument("no set of runs: a step of 0");
  while (!text.empty()) {
    const std::int64_t begin = take_number(text, '-'), last = take_number(text, ',');
    if (last < begin || (!set.ranges_.empty() && begin < set.ranges_.back().end)) throw std::invalid_argument("no set of runs: ranges out of order");
    set.add(begin, last + 1);
  }
  return set;
}

}  // namespace palimpsest
