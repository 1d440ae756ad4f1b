#include "sweeps/region.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/error.h"

namespace palimpsest {
namespace {

std::string quoted_list(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) (out += out.empty() ? "" : ", ") += "\"" + word + "\"";
  return out;
}

}  // namespace

void leave_out(Measurement& measurement, const Selection& at) {
  for (const std::size_t place : offsets_in(measurement.axes, region_of(measurement.axes, at, measurement.metric))) measurement.values[place] = std::nanf("");
}

bool names_axis(const std::string& word, const std::string& axis) { return word == axis || word == axis + "s"; }

std::size_t axis_named(const std::string& word, const std::vector<Axis>& axes, const std::string& metric) {
  std::vector<std::string> known;
  for (std::size_t a = 0; a < axes.size(); ++a) {
    if (names_axis(word, axes[a].name)) return a;
    known.push_back(axes[a].name);
  }
  throw InputError("the metric " + metric + " has no axis \"" + word + "\". Its axes are " + quoted_list(known) + ".");
}

Places places_of_words(const Axis& axis, const std::string& words, const std::string& metric) {
  if (Places found = places(axis, words); !found.empty()) return found;
  std::set<std::size_t> all;
  for (std::size_t begin = 0; begin <= words.size();) {
    const std::size_t end = std::min(words.find(',', begin), words.size());
    const Places found = places(axis, std::string_view(words).substr(begin, end - begin));
    if (found.empty())
      throw InputError("the axis " + axis.name + " of the metric " + metric + " has no place \"" + words +
                       "\". It has " + quoted_list(axis.labels) + ", and first, middle, last, early, late, all.");
    all.insert(found.begin(), found.end());
    begin = end + 1;
  }
  return {all.begin(), all.end()};
}

Region region_of(const std::vector<Axis>& axes, const Selection& at, const std::string& metric) {
  Region region;
  for (const Axis& axis : axes) region.push_back(places(axis, "all"));
  for (const auto& [word, where] : at) {
    const std::size_t axis = axis_named(word, axes, metric);
    region[axis] = places_of_words(axes[axis], where, metric);
  }
  return region;
}

std::vector<std::size_t> offsets_in(const std::vector<Axis>& axes, const Region& region) {
  std::vector<std::size_t> offsets = {0};
  for (std::size_t a = 0; a < axes.size(); ++a) {
    std::vector<std::size_t> next;
    for (std::size_t offset : offsets)
      for (std::size_t place : region[a]) next.push_back(offset * axes[a].labels.size() + place);
    offsets = std::move(next);
  }
  return offsets;
}

}  // namespace palimpsest
