#include <algorithm>
#include <map>

#include "sweeps/cells.h"

namespace palimpsest {
namespace {

const std::string kSlowWeights = "slow.weights";

/// Cells of one side that have the same values on all axes that a part does not name.
struct Alike {
  Condition values;  // of the axes that exist there
  std::vector<std::size_t> cells;
};

/// Treatment and baseline, cut to pieces in which every axis has one value that exists everywhere on both sides.
struct Bucket {
  std::vector<Alike> treatment, baseline;
};

/// The axes that a part leaves open: what its pairs agree in.
std::vector<std::string> open_axes(const Rows& rows, const ClaimPart& part, const std::vector<std::string>& each) {
  std::vector<std::string> axes = rows.axes;
  for (const auto& key : each)
    if (std::ranges::find(axes, key) == axes.end()) axes.push_back(key);
  std::erase_if(axes, [&](const auto& key) { return part.treatment.contains(key) || part.baseline.contains(key); });
  return axes;
}

Condition values_where_they_exist(const Settings& settings, const std::vector<std::string>& axes, const Whens& when) {
  Condition values = condition_of(settings, axes);
  std::erase_if(values, [&](const auto& one) { return !exists(one.first, settings, when); });
  return values;
}

void add(std::vector<Alike>& side, std::size_t cell, const Condition& values) {
  const auto found = std::ranges::find(side, values, &Alike::values);
  if (found == side.end()) side.push_back({values, {cell}});
  else found->cells.push_back(cell);
}

std::map<Condition, Bucket> buckets_of(const Rows& rows, const Cells& cells, const ClaimPart& part, const std::vector<std::string>& axes) {
  std::vector<std::string> everywhere;
  for (const auto& axis : axes)
    if (!rows.when.contains(axis)) everywhere.push_back(axis);
  std::map<Condition, Bucket> buckets;
  for (std::size_t cell = 0; cell < cells.settings.size(); ++cell) {
    const Settings& settings = *cells.settings[cell];
    const bool treated = holds(settings, part.treatment);
    if (!treated && (part.baseline.empty() || !holds(settings, part.baseline))) continue;
    Bucket& bucket = buckets[condition_of(settings, everywhere)];
    add(treated ? bucket.treatment : bucket.baseline, cell, values_where_they_exist(settings, axes, rows.when));
  }
  return buckets;
}

bool agree(const Condition& a, const Condition& b) {
  return std::ranges::all_of(a, [&](const auto& one) {
    const auto other = b.find(one.first);
    return other == b.end() || other->second == one.second;
  });
}

class Comparing {
 public:
  Comparing(const Cells& cells, const std::vector<std::string>& axes, const std::vector<std::string>& each)
      : cells_(cells), each_(each), several_slow_weights_(std::ranges::find(axes, kSlowWeights) != axes.end()) {}

  std::vector<Compared> compare(const std::map<Condition, Bucket>& buckets) {
    for (const auto& [values, bucket] : buckets) compare(bucket);
    return std::move(out_);
  }

 private:
  void compare(const Bucket& bucket) {
    std::vector<bool> met(bucket.baseline.size(), false);
    for (const Alike& treatment : bucket.treatment) {
      bool any = false;
      for (std::size_t b = 0; b < bucket.baseline.size(); ++b) {
        if (!agree(treatment.values, bucket.baseline[b].values)) continue;
        put(&treatment, &bucket.baseline[b]);
        any = met[b] = true;
      }
      if (!any) put(&treatment, nullptr);
    }
    for (std::size_t b = 0; b < bucket.baseline.size(); ++b)
      if (!met[b]) put(nullptr, &bucket.baseline[b]);
  }

  void put(const Alike* treatment, const Alike* baseline) {
    Compared one;
    for (const Alike* side : {baseline, treatment}) {
      if (!side) continue;
      const Settings& settings = *cells_.settings[side->cells.front()];
      if (several_slow_weights_ && settings.has(kSlowWeights)) one.slow_weights = plain(settings.at(kSlowWeights));
      for (const auto& key : each_)   // of the side on which it exists
        if (settings.has(key) && (side->values.contains(key) || !one.each.contains(key))) one.each[key] = settings.at(key);
    }
    if (treatment) one.treatment = treatment->cells;
    if (baseline) one.baseline = baseline->cells;
    out_.push_back(std::move(one));
  }

  const Cells& cells_;
  const std::vector<std::string>& each_;
  const bool several_slow_weights_;
  std::vector<Compared> out_;
};

}  // namespace

std::vector<Compared> compared_cells(const Rows& rows, const Cells& cells, const ClaimPart& part, const std::vector<std::string>& each) {
  const auto axes = open_axes(rows, part, each);
  return Comparing(cells, axes, each).compare(buckets_of(rows, cells, part, axes));
}

}  // namespace palimpsest
