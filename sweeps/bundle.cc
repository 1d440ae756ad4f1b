// [[sweep.zip]], [sweep.random] and [[sweep.ablation]]: keys that move together, as points.

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <boost/random/sobol.hpp>
#include <fmt/format.h>

#include "runtime/random_stream.h"
#include "runtime/words.h"
#include "sweeps/condition.h"
#include "sweeps/definition_toml.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kMostPoints = 1'000'000;

/// One key of a bundle and its value at each point, as written.
struct Column {
  const Key* key;
  std::vector<Value> values;
};

/// Columns as a bundle: each value once, points as places; points that are there twice are dropped, and counted.
Bundle bundle_of(const std::string& kind, const std::vector<Column>& columns, std::string how = {}) {
  Bundle out{kind, {}, {}, std::move(how)};
  for (const Column& column : columns) out.axes.push_back({column.key->name, {}, {}});
  std::vector<std::map<Value, std::size_t>> known(columns.size());
  std::set<std::vector<std::size_t>> there;
  const std::size_t points = columns.empty() ? 0 : columns.front().values.size();
  for (std::size_t point = 0; point < points; ++point) {
    std::vector<std::size_t> places;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      auto& values = out.axes[c].values;
      const auto [place, is_new] = known[c].try_emplace(columns[c].values[point], values.size());
      places.push_back(place->second);
      if (is_new) values.push_back(place->first);
    }
    if (there.insert(places).second) out.points.push_back(std::move(places));
    else ++out.twice;
  }
  return out;
}

/// The key an entry names, if it may be swept; else the mistake is told.
const Key* swept_key(const NamedNode& entry, const Study& study, const std::string& table, Mistakes& mistakes) {
  const Key* key = find_key(study, entry.name);
  if (!key) mistakes.add(entry.where, fmt::format("unknown axis {} in {}.{}", entry.name, table, did_you_mean_key(study, entry.name)));
  else if (!key->sweepable) mistakes.add(entry.where, fmt::format("{} cannot be swept: it is the same for all runs of a sweep. Give its one value outside {}.", entry.name, table));
  return key && key->sweepable ? key : nullptr;
}

std::vector<Value> checked_values(const toml::array& list, const Key& key, Mistakes& mistakes) {
  std::vector<Value> out;
  for (const toml::node& item : list)
    if (auto value = checked_value(item, key, key.name, mistakes)) out.push_back(std::move(*value));
  return out;
}

bool holds_list(KeyType type) { return type == KeyType::kIntegers || type == KeyType::kNumbers || type == KeyType::kStrings || type == KeyType::kPaths; }

/// One value, or several: a list, and for keys that hold lists a list of lists.
std::vector<Value> one_or_more(const toml::node& node, const Key& key, Mistakes& mistakes) {
  const toml::array* list = node.as_array();
  const bool several = list && !list->empty() && (!holds_list(key.type) || (*list)[0].is_array());
  if (several) return checked_values(*list, key, mistakes);
  if (auto value = checked_value(node, key, key.name, mistakes)) return {std::move(*value)};
  return {};
}

std::vector<const toml::table*> tables_of(const toml::node& node, const char* name, Mistakes& mistakes) {
  std::vector<const toml::table*> out;
  if (const auto* table = node.as_table()) return {table};
  if (const auto* list = node.as_array())
    for (const toml::node& item : *list)
      if (const auto* table = item.as_table()) out.push_back(table);
  if (out.empty()) mistakes.add(node, fmt::format("{} is no table. Write [[{}]] and keys with their values below it.", name, name));
  return out;
}

std::string joined_values(const std::vector<Value>& values) {
  std::vector<std::string> words;
  for (const Value& value : values) words.push_back(plain(value));
  return joined(words);
}

struct Range {
  double low = 0, high = 0;
};

/// { uniform = [a, b] }, { log_uniform = [a, b] } or { choice = [...] }: what a number in [0, 1) becomes.
class Distribution {
 public:
  Distribution(const NamedNode& entry, const Key& key, Mistakes& mistakes) : key_(key) {
    const toml::table* table = entry.node->as_table();
    const toml::node* node = nullptr;
    for (const char* kind : {"uniform", "log_uniform", "choice"})
      if (const toml::node* found = table ? table->get(kind) : nullptr) kind_ = kind, node = found;
    if (!node || table->size() != 1 || !node->is_array()) {
      mistakes.add(*entry.node, fmt::format("{} in [sweep.random] is no distribution. Write {{ uniform = [a, b] }}, {{ log_uniform = [a, b] }} or {{ choice = [...] }}.", entry.name));
      return;
    }
    if (kind_ == "choice") {
      choices_ = checked_values(*node->as_array(), key, mistakes);
      good_ = !choices_.empty();
      return;
    }
    std::vector<double> ends;
    for (const toml::node& end : *node->as_array())
      if (const auto value = end.value<double>()) ends.push_back(*value);
    const bool number = key.type == KeyType::kNumber || key.type == KeyType::kInteger;
    if (!number || node->as_array()->size() != 2 || ends.size() != 2 || ends[0] >= ends[1] || (kind_ == "log_uniform" && ends[0] <= 0) ||
        (key.minimum && ends[0] < *key.minimum) || (key.maximum && ends[1] > *key.maximum)) {
      mistakes.add(*node, fmt::format("{}: {} needs two ascending numbers{} within the key's range{}. For a list of values write choice.", entry.name, kind_,
                                      kind_ == "log_uniform" ? " above 0" : "", number ? "" : ", and the key holds no number"));
      return;
    }
    range_ = {ends[0], ends[1]};
    good_ = true;
  }

  bool good() const { return good_; }
  std::string words() const {   // "uniform from 0 to 1"
    if (kind_ == "choice") return "one of " + joined_values(choices_);
    return fmt::format("{} from {} to {}", kind_ == "uniform" ? "uniform" : "log-uniform", plain(Value(range_.low)), plain(Value(range_.high)));
  }
  Value at(double u) const {
    if (kind_ == "choice") return choices_[std::min(choices_.size() - 1, static_cast<std::size_t>(u * static_cast<double>(choices_.size())))];
    const bool whole = key_.type == KeyType::kInteger;
    const double end = whole ? range_.high + 1 : range_.high;   // each whole number has its share
    const double x = kind_ == "uniform" ? range_.low + u * (end - range_.low) : range_.low * std::pow(end / range_.low, u);
    if (whole) return static_cast<std::int64_t>(std::min(std::floor(x), range_.high));
    return std::stod(fmt::format("{:.6g}", x));   // what a person can read and write again
  }

 private:
  const Key& key_;
  std::string kind_;
  Range range_;
  std::vector<Value> choices_;
  bool good_ = false;
};

/// Points in the unit cube, [point][dimension]: independent, or Sobol's with a random shift.
std::vector<std::vector<double>> unit_points(std::int64_t count, std::size_t dimensions, bool sobol, std::uint64_t seed) {
  const RandomStream stream = RandomStream(seed).child(purpose("random sweep"));
  std::vector<std::vector<double>> out(static_cast<std::size_t>(count), std::vector<double>(dimensions));
  if (!sobol) {
    std::uint64_t place = 0;
    for (auto& point : out)
      for (double& u : point) u = stream.uniform(place++);
    return out;
  }
  boost::random::sobol points(dimensions);
  for (auto& point : out)
    for (std::size_t d = 0; d < dimensions; ++d) {
      const double u = static_cast<double>(points() >> 11) * 0x1p-53 + stream.uniform(d);
      point[d] = u - std::floor(u);
    }
  return out;
}

const Key kHow = {.name = "how", .type = KeyType::kString, .default_value = std::string(), .meaning = "how the points came about, for the report"};
const Key kCount = {.name = "count", .type = KeyType::kInteger, .default_value = std::int64_t{0}, .meaning = "points to draw", .minimum = 1, .maximum = kMostPoints, .required = true};
const Key kSeed = {.name = "seed", .type = KeyType::kInteger, .default_value = std::int64_t{0}, .meaning = "of the draws", .minimum = 0};
const Key kMethod = {.name = "method", .type = KeyType::kString, .default_value = std::string("sobol"), .meaning = "how points are drawn", .choices = {"sobol", "independent"}};

Value setting_of(const toml::table& table, const Key& key, Mistakes& mistakes) {
  const toml::node* node = table.get(key.name);
  if (node)
    if (auto value = checked_value(*node, key, "sweep.random." + key.name, mistakes)) return *value;
  return key.default_value;
}

}  // namespace

std::vector<Bundle> read_zips(const toml::node& node, const Study& study, Mistakes& mistakes) {
  std::vector<Bundle> out;
  for (const toml::table* table : tables_of(node, "sweep.zip", mistakes)) {
    std::vector<Column> columns;
    const toml::node* how = table->get(kHow.name);
    const auto told = how ? checked_value(*how, kHow, "sweep.zip.how", mistakes) : std::nullopt;
    for (const NamedNode& entry : flattened_but(*table, study, {kHow.name})) {
      const Key* key = swept_key(entry, study, "[sweep.zip]", mistakes);
      if (!key) continue;
      const toml::array* list = entry.node->as_array();
      if (!list || list->empty()) {
        mistakes.add(*entry.node, fmt::format("{} in [sweep.zip] is no list of values. Write as many as the other keys have.", entry.name));
        continue;
      }
      columns.push_back({key, checked_values(*list, *key, mistakes)});
      if (columns.back().values.size() != columns.front().values.size())
        mistakes.add(*entry.node, fmt::format("{} has {} values, but {} has {}: keys of [sweep.zip] move together. Give them equally many.", entry.name,
                                              columns.back().values.size(), columns.front().key->name, columns.front().values.size()));
    }
    const bool even = std::ranges::all_of(columns, [&](const Column& c) { return c.values.size() == columns.front().values.size(); });
    if (!columns.empty() && even) out.push_back(bundle_of("zip", columns, told ? std::get<std::string>(*told) : ""));
  }
  return out;
}

std::vector<Bundle> read_random(const toml::node& node, const Study& study, Mistakes& mistakes) {
  const toml::table* table = node.as_table();
  if (!table) {
    mistakes.add(node, "sweep.random is no table. Write [sweep.random], count = 100, and a distribution for each key.");
    return {};
  }
  if (!table->get("count")) mistakes.add(node, "sweep.random has no count. Write count = 100: the points to draw.");
  const auto count = std::get<std::int64_t>(setting_of(*table, kCount, mistakes)), seed = std::get<std::int64_t>(setting_of(*table, kSeed, mistakes));
  const bool sobol = std::get<std::string>(setting_of(*table, kMethod, mistakes)) == "sobol";
  std::vector<const Key*> keys;
  std::vector<Distribution> distributions;
  for (const NamedNode& entry : flattened_but(*table, study, {"count", "seed", "method"})) {
    const Key* key = swept_key(entry, study, "[sweep.random]", mistakes);
    if (!key) continue;
    Distribution distribution(entry, *key, mistakes);
    if (distribution.good()) keys.push_back(key), distributions.push_back(std::move(distribution));
  }
  if (keys.empty() || count < 1) return {};
  std::vector<Column> columns;
  for (const Key* key : keys) columns.push_back({key, {}});
  for (const auto& point : unit_points(count, keys.size(), sobol, static_cast<std::uint64_t>(seed)))
    for (std::size_t c = 0; c < keys.size(); ++c) columns[c].values.push_back(distributions[c].at(point[c]));
  std::vector<std::string> ways;
  for (std::size_t i = 0; i < keys.size(); ++i) ways.push_back(plain_key(keys[i]->name) + " " + distributions[i].words());
  return {bundle_of("random", columns, fmt::format("drawn at random ({} with seed {}): {}", sobol ? "Sobol's sequence, shifted" : "independently,", seed, joined(ways, "; ")))};
}

std::vector<Bundle> read_ablations(const toml::node& node, const Study& study, const Settings& base, bool pairs, Mistakes& mistakes) {
  using Change = std::vector<std::pair<const Key*, Value>>;
  std::vector<const Key*> keys;
  std::vector<std::vector<Change>> blocks;   // one [[sweep.ablation]] each: its changes
  for (const toml::table* table : tables_of(node, "sweep.ablation", mistakes)) {
    std::vector<Column> columns;
    for (const NamedNode& entry : flattened(*table, study)) {
      const Key* key = swept_key(entry, study, "[[sweep.ablation]]", mistakes);
      if (!key) continue;
      columns.push_back({key, one_or_more(*entry.node, *key, mistakes)});
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
      if (columns.back().values.size() != columns.front().values.size())
        mistakes.add(*entry.node, fmt::format("{} has {} values, but {} has {}: keys of one [[sweep.ablation]] change together. Give them equally many, or a [[sweep.ablation]] each.",
                                              entry.name, columns.back().values.size(), columns.front().key->name, columns.front().values.size()));
    }
    std::vector<Change> changes(columns.empty() ? 0 : columns.front().values.size());
    for (const Column& column : columns)
      for (std::size_t i = 0; i < std::min(changes.size(), column.values.size()); ++i) changes[i].push_back({column.key, column.values[i]});
    blocks.push_back(std::move(changes));
  }
  std::vector<Change> points = {{}};   // the base condition first
  for (const auto& block : blocks) points.insert(points.end(), block.begin(), block.end());
  if (pairs)
    for (std::size_t a = 0; a < blocks.size(); ++a)
      for (std::size_t b = a + 1; b < blocks.size(); ++b)
        for (const Change& first : blocks[a])
          for (const Change& second : blocks[b]) {
            points.push_back(first);
            points.back().insert(points.back().end(), second.begin(), second.end());
          }
  std::vector<Column> columns;
  for (const Key* key : keys) {
    columns.push_back({key, {}});
    for (const Change& change : points) {
      Value value = base.has(key->name) ? base.at(key->name) : key->default_value;
      for (const auto& [changed, to] : change)
        if (changed == key) value = to;
      columns.back().values.push_back(std::move(value));
    }
  }
  if (columns.empty()) return {};
  return {bundle_of("ablation", columns, std::string("the base condition first, and then one change of it at a time") + (pairs ? ", and all pairs of changes" : ""))};
}

std::vector<Exclusion> read_exclusions(const toml::node& node, const Study& study, Mistakes& mistakes) {
  std::vector<Exclusion> out;
  for (const toml::table* table : tables_of(node, "sweep.exclude", mistakes)) {
    Exclusion rule;
    for (const NamedNode& entry : flattened(*table, study)) {
      const Key* key = find_key(study, entry.name);
      if (key) rule[entry.name] = one_or_more(*entry.node, *key, mistakes);
      else mistakes.add(entry.where, fmt::format("unknown key {} in [[sweep.exclude]].{}", entry.name, did_you_mean_key(study, entry.name)));
    }
    if (!rule.empty()) out.push_back(std::move(rule));
  }
  return out;
}

}  // namespace palimpsest
