#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "sweeps/claim_reader.h"
#include "sweeps/reach.h"

namespace palimpsest {
namespace {

const std::vector<std::string> kDirections = {"greater", "less"};
const std::vector<std::string> kChanges = {"difference", "log-ratio"};

/// A label or a group of labels: "early", 0.3, 100.
std::optional<std::string> word_of(const toml::node& node) {
  if (const auto* word = node.as_string(); word && !word->get().empty()) return word->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* number = node.as_floating_point(); number && std::isfinite(number->get())) return text(Value(number->get()));
  return std::nullopt;
}

/// One word, or a list of them, which stands as "first,middle,last".
std::optional<std::string> words_of(const toml::node& node) {
  const toml::array* list = node.as_array();
  if (!list) return word_of(node);
  std::string all;
  for (const toml::node& item : *list) {
    const auto word = word_of(item);
    if (!word) return std::nullopt;
    all += (all.empty() ? "" : ",") + *word;
  }
  return all.empty() ? std::nullopt : std::optional(all);
}

/// The fields of one part: its own, and the claim's where it has none of that name.
class Fields {
 public:
  Fields(const toml::table& claim, const toml::table* part) : claim_(claim), part_(part) {}

  const toml::node* find(std::string_view name) const {
    if (const toml::node* own = part_ ? part_->get(name) : nullptr) return own;
    const bool other_course = part_ && ((name == "change" && part_->contains("trend")) || (name == "trend" && part_->contains("change")));
    return other_course ? nullptr : claim_.get(name);
  }
  const toml::table& innermost() const { return part_ ? *part_ : claim_; }

 private:
  const toml::table& claim_;
  const toml::table* part_;
};

/// Reads one part of a claim, telling every mistake. Each function reads one field into the part.
class PartReader {
 public:
  PartReader(const Fields& fields, const Definition& definition, Mistakes& mistakes)
      : fields_(fields), definition_(definition), study_(*definition.study), mistakes_(mistakes) {}

  ClaimPart read() {
    read_metric();
    read_words("at", part_.at);
    read_words("minus", part_.minus);
    read_change();
    read_trend();
    read_condition("treatment", part_.treatment);
    read_condition("baseline", part_.baseline);
    read_matched();
    read_direction();
    read_smallest_effect();
    check_change();
    check_minus();
    check_contrast();
    check_matched();
    return std::move(part_);
  }

 private:
  void tell(const toml::node& where, const std::string& what) { mistakes_.add(where, what); }

  void read_metric() {
    std::vector<std::string> names;
    for (const MetricInfo& metric : study_.metrics) names.push_back(metric.name);
    const toml::node* node = fields_.find("metric");
    if (!node) return tell(fields_.innermost(), fmt::format("the claim has no metric. Write metric = \"...\", one of: {}.", fmt::join(names, ", ")));
    const auto* name = node->as_string();
    if (!name) return tell(*node, fmt::format("metric is no string. Write one of: {}.", fmt::join(names, ", ")));
    part_.metric = name->get();
    const auto found = std::find_if(study_.metrics.begin(), study_.metrics.end(), [&](const MetricInfo& m) { return m.name == part_.metric; });
    if (found != study_.metrics.end()) return void(metric_ = &*found);
    const std::string hint = did_you_mean(part_.metric, names);
    tell(*node, fmt::format("unknown metric {} of the study {}.{}", part_.metric, study_.name,
                            hint.empty() ? fmt::format(" It has: {}.", fmt::join(names, ", ")) : hint));
  }

  /// The axis a word of the definition names: "layer", also written "layers". The word itself where the metric is unknown.
  std::optional<std::string> axis_named(const toml::source_region& where, std::string_view word) {
    if (!metric_) return std::string(word);
    for (const std::string& axis : metric_->axes)
      if (word == axis || word == axis + "s") return axis;
    const std::string hint = did_you_mean(word, metric_->axes);
    mistakes_.add(where, fmt::format("{} has no axis {}.{}", part_.metric, word,
                                     hint.empty() ? fmt::format(" Its axes are: {}.", fmt::join(metric_->axes, ", ")) : hint));
    return std::nullopt;
  }

  void read_words(const char* field, Selection& words) {
    const toml::node* node = fields_.find(field);
    if (!node) return;
    const toml::table* table = node->as_table();
    if (!table) return tell(*node, fmt::format("{} is no table of axes. Write {} = {{ layer = \"early\", images = \"familiar\" }}.", field, field));
    for (const auto& [key, value] : *table) {
      const auto axis = axis_named(key.source(), key.str());
      const auto word = words_of(value);
      if (!word) tell(value, fmt::format("{}.{} names no place. Write a label of the axis, or first, middle, last, early, late or all, or a list of these.", field, key.str()));
      if (!axis || !word) continue;
      if (!words.emplace(*axis, *word).second) mistakes_.add(key, fmt::format("{} names the axis {} twice. Leave one out.", field, *axis));
    }
  }

  void read_change() {
    const toml::node* node = fields_.find("change");
    if (!node) return;
    const toml::table* table = node->as_table();
    if (!table) return tell(*node, "change is no table. Write change = { epoch = [0, 100] }: the value at the second label minus that at the first.");
    for (const auto& [key, value] : *table) {
      if (key.str() == "as") read_kind_of_change(value);
      else read_change_axis(key, value);
    }
    if (part_.change_axis.empty() && table->size() == (table->contains("as") ? 1u : 0u))
      tell(*node, "change names no axis. Write change = { epoch = [0, 100] }.");
  }

  void read_kind_of_change(const toml::node& node) {
    const auto kind = node.value_exact<std::string>();
    if (!kind || std::find(kChanges.begin(), kChanges.end(), *kind) == kChanges.end())
      return tell(node, fmt::format("change.as is none of: {}.{}", fmt::join(kChanges, ", "), kind ? did_you_mean(*kind, kChanges) : ""));
    part_.log_ratio = *kind == "log-ratio";
  }

  void read_change_axis(const toml::key& key, const toml::node& node) {
    const auto axis = axis_named(key.source(), key.str());
    const toml::array* ends = node.as_array();
    if (!ends || ends->size() != 2 || !word_of((*ends)[0]) || !word_of((*ends)[1]))
      return tell(node, fmt::format("change.{} is no pair of labels. Write change = {{ {} = [0, 100] }}: from, to.", key.str(), key.str()));
    if (!axis) return;
    if (!part_.change_axis.empty()) return mistakes_.add(key, fmt::format("change goes along {} and {}. Leave one of the two axes.", part_.change_axis, *axis));
    part_.change_axis = *axis;
    part_.change_from = *word_of((*ends)[0]);
    part_.change_to = *word_of((*ends)[1]);
    if (part_.change_from == part_.change_to)
      tell(node, fmt::format("change.{} goes from {} to {}, which is always 0. Write two labels.", key.str(), part_.change_from, part_.change_to));
  }

  void read_trend() {
    const toml::node* node = fields_.find("trend");
    if (!node) return;
    const auto* word = node->as_string();
    if (!word) return tell(*node, "trend is no axis. Write trend = \"epoch\": the slope over the numbers of that axis.");
    if (const auto axis = axis_named(node->source(), word->get())) part_.trend_axis = *axis;
    if (fields_.find("change")) tell(*node, "the claim has change and trend. Leave one out: change compares two places of an axis, trend is the slope over all.");
  }

  void read_condition(const char* field, std::map<std::string, Value>& condition) {
    const toml::node* node = fields_.find(field);
    if (!node) return;
    const toml::table* table = node->as_table();
    if (!table) return tell(*node, fmt::format("{} is no table of keys. Write {} = {{ \"{}\" = ... }}.", field, field, example_key()));
    for (const NamedNode& entry : flattened(*table, study_)) {
      const Key* key = find_key(study_, entry.name);
      if (!key) mistakes_.add(entry.where, fmt::format("{} names {}, which is no key of the study {}.{}", field, entry.name, study_.name, did_you_mean_key(study_, entry.name)));
      else if (auto value = checked_value(*entry.node, *key, entry.name, mistakes_)) {
        check_some_run_has(*entry.node, *key, *value, field);
        condition.insert_or_assign(entry.name, std::move(*value));
      }
    }
  }

  std::string example_key() const { return definition_.grid.empty() ? study_.keys.front().name : definition_.grid.front().key; }

  void check_some_run_has(const toml::node& where, const Key& key, const Value& value, const char* field) {
    if (const SweepAxis* axis = axis_of(definition_, key.name)) {
      if (axis->values.empty() || std::find(axis->values.begin(), axis->values.end(), value) != axis->values.end()) return;
      std::vector<std::string> swept;
      for (const Value& one : axis->values) swept.push_back(text(one));
      return tell(where, fmt::format("no run has the {} {} = {}: [sweep.grid] has {}. Write one of these, or add it there.", field, key.name, text(value), fmt::join(swept, ", ")));
    }
    if (!definition_.base.has(key.name) || definition_.base.at(key.name) == value) return;
    tell(where, fmt::format("no run has the {} {} = {}: it is not swept, and all runs have {}. Sweep it: \"{}\" = [{}, {}] under [sweep.grid].", field, key.name,
                            text(value), text(definition_.base.at(key.name)), key.name, text(definition_.base.at(key.name)), text(value)));
  }

  void read_matched() {
    const toml::node* node = fields_.find("matched");
    if (!node || study_.matchable.empty()) return;   // no field of such a study
    std::vector<std::string> names;
    for (const auto& [name, key] : study_.matchable) names.push_back(name);
    const auto word = node->value_exact<std::string>();
    if (!word || !study_.matchable.contains(*word))
      return tell(*node, fmt::format("matched is none of: {}.{}", fmt::join(names, ", "), word ? did_you_mean(*word, names) : ""));
    part_.matched = *word;
  }

  void read_direction() {
    const toml::node* node = fields_.find("direction");
    if (!node) return tell(fields_.innermost(), "the claim has no direction. Write direction = \"greater\" or \"less\" than 0.");
    const auto word = node->value_exact<std::string>();
    if (!word || std::find(kDirections.begin(), kDirections.end(), *word) == kDirections.end())
      return tell(*node, fmt::format("direction is none of: {}.{}", fmt::join(kDirections, ", "), word ? did_you_mean(*word, kDirections) : ""));
    part_.direction = *word == "greater" ? Direction::kGreater : Direction::kLess;
  }

  void read_smallest_effect() {
    const toml::node* node = fields_.find("smallest_effect");
    if (!node) return;
    const auto value = node->is_number() ? node->value<double>() : std::nullopt;
    if (!value || !std::isfinite(*value) || *value <= 0)
      return tell(*node, "smallest_effect is no number above 0. Write the smallest effect that matters, in units of the statistic, or leave it out.");
    part_.smallest_effect = *value;
  }

  /// A change goes between two places of an axis, so `at` and `minus` cannot fix another one. (Of a trend they choose the places.)
  void check_change() {
    for (const auto& [field, words] : {std::pair{"at", &part_.at}, std::pair{"minus", &part_.minus}})
      if (!part_.change_axis.empty() && words->contains(part_.change_axis))
        tell(*fields_.find(field), fmt::format("{} fixes the axis {}, along which change goes. Take it out of {}.", field, part_.change_axis, field));
  }

  void check_minus() {
    if (part_.minus.empty()) return;
    Selection same = part_.at;
    for (const auto& [axis, word] : part_.minus) same.insert_or_assign(axis, word);
    if (same == part_.at) tell(*fields_.find("minus"), "minus subtracts the same places that `at` names, which is always 0. Name other ones.");
  }

  void check_contrast() {
    const toml::node* baseline = fields_.find("baseline");
    if (part_.baseline.empty()) return;
    if (!fields_.find("treatment")) return tell(*baseline, "the claim has a baseline but no treatment. Write treatment = { ... }: the runs that are compared with it.");
    if (part_.baseline == part_.treatment) return tell(*baseline, "baseline and treatment are the same runs, whose difference is always 0. Change one of them.");
    Condition both = part_.treatment;
    if (!join(both, part_.baseline) || !some_run_has(definition_, both) || all_excluded(definition_, both)) return;
    std::vector<std::string> of_it;
    for (const auto& [key, value] : both) of_it.push_back(fmt::format("{} = {}", key, text(value)));
    tell(*baseline, fmt::format("a run with {} is in treatment and baseline, and would be compared with itself. Give one key in both, with different values.", fmt::join(of_it, ", ")));
  }

  void check_matched() {
    if (part_.matched.empty()) return;
    const toml::node& node = *fields_.find("matched");
    if (part_.change_axis != "epoch") tell(node, "matched cuts a change over epochs short where both sides reach the same loss. Write change = { epoch = [0, 100] }.");
    if (part_.baseline.empty()) tell(node, "matched compares a treatment with a baseline, of which the claim has none. Write both, or leave matched out.");
  }

  const Fields& fields_;
  const Definition& definition_;
  const Study& study_;
  Mistakes& mistakes_;
  const MetricInfo* metric_ = nullptr;
  ClaimPart part_;
};

}  // namespace

ClaimPart read_part(const toml::table& claim, const toml::table* part, const Definition& definition, Mistakes& mistakes) {
  return PartReader(Fields(claim, part), definition, mistakes).read();
}

}  // namespace palimpsest
