#include "sweeps/design_words.h"

#include <algorithm>

#include <fmt/format.h>

#include "runtime/words.h"
#include "sweeps/condition.h"

namespace palimpsest {
namespace {

constexpr std::size_t kMostValues = 8;   // of an axis; the middle of a longer one is left out

std::string values_words(const std::vector<Value>& values) {
  std::vector<std::string> words;
  for (const Value& value : values) words.push_back(plain(value).empty() ? "none" : plain(value));
  return words.size() > kMostValues ? fmt::format("{} values from {} to {}", words.size(), words.front(), words.back()) : joined(words);
}

std::string keys_words(const std::vector<SweepAxis>& axes) {
  std::vector<std::string> words;
  for (const SweepAxis& axis : axes) words.push_back(plain_key(axis.key));
  return listed(words);
}

/// "qkv (adapter, full)", "14 points of rank and learning rate"
std::vector<std::string> factors_of(const Definition& definition) {
  std::vector<std::string> words;
  for (const SweepAxis& axis : definition.grid) words.push_back(fmt::format("{} ({})", plain_key(axis.key), values_words(axis.values)));
  for (const Bundle& bundle : definition.bundles) words.push_back(fmt::format("{} of {}", counted(bundle.points.size(), "point"), keys_words(bundle.axes)));
  return words;
}

std::string product_words(const Definition& definition) {
  const auto factors = factors_of(definition);
  if (factors.empty()) return "";
  return (factors.size() == 1 ? "Conditions are " : "Conditions are all combinations of ") + listed(factors) + ". ";
}

std::string bundle_words(const Bundle& bundle) {
  const std::string keys = keys_words(bundle.axes);
  if (!bundle.how.empty()) return fmt::format("The points of {} are {}. ", keys, bundle.how);
  return bundle.axes.size() > 1 ? fmt::format("The values of {} move together. ", keys) : "";
}

/// "qkv adapter, rank 2"
std::string where_words(const std::map<std::string, Value>& condition) {
  std::vector<std::string> words;
  for (const auto& [key, value] : condition) words.push_back(plain_key(key) + " is " + plain(value));
  return listed(words);
}

std::string when_words(const Definition& definition) {
  std::string out;
  for (const SweepAxis& axis : definition.grid)
    if (!axis.when.empty()) out += fmt::format("Values of {} are taken where {} alone; elsewhere it is {}. ", plain_key(axis.key), where_words(axis.when), plain(definition.base.at(axis.key)));
  return out;
}

std::string exclusion_words(const Exclusion& rule) {
  std::vector<std::string> words;
  for (const auto& [key, values] : rule) {
    std::vector<std::string> any;
    for (const Value& value : values) any.push_back(plain(value));
    words.push_back(plain_key(key) + " is " + joined(any, " or "));
  }
  return "Conditions in which " + listed(words) + " are left out. ";
}

bool told_of_base(const Definition& definition, const Key& key) { return !axis_of(definition, key.name) && !names_a_place(*definition.study, key.name); }

std::string base_words(const Definition& definition) {
  std::vector<std::string> training, others;
  for (const Key& key : definition.study->keys) {
    if (!told_of_base(definition, key)) continue;
    const Value& value = definition.base.at(key.name);
    const bool of_training = key.name.starts_with("training.");
    if (!of_training && value == key.default_value) continue;
    (of_training ? training : others).push_back((of_training ? plain_key(key.name) : key.name) + " " + (plain(value).empty() ? "none" : plain(value)) + (key.unit.empty() ? "" : " " + key.unit));
  }
  return (training.empty() ? "" : "Training, where it is not swept: " + joined(training) + ". ") +
         (others.empty() ? "" : "Other settings that are not the study's defaults: " + joined(others) + ". ");
}

}  // namespace

std::string design_words(const Definition& definition) {
  std::string out = product_words(definition);
  for (const Bundle& bundle : definition.bundles) out += bundle_words(bundle);
  out += when_words(definition);
  for (const Exclusion& rule : definition.excluded) out += exclusion_words(rule);
  out += base_words(definition);
  if (!out.empty()) out.pop_back();
  return out;
}

}  // namespace palimpsest
