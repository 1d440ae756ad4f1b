#include "sweeps/key_text.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace palimpsest {
namespace {

using nlohmann::json;

constexpr std::size_t kWidest = 110;   // columns of a comment

const char* type_word(KeyType type) {
  switch (type) {
    case KeyType::kBool:
      return "boolean";
    case KeyType::kInteger:
      return "integer";
    case KeyType::kNumber:
      return "number";
    case KeyType::kString:
    case KeyType::kPath:
      return "string";
    default:
      return "array";
  }
}

const char* item_word(KeyType type) {
  return type == KeyType::kIntegers ? "integer" : type == KeyType::kNumbers ? "number" : "string";
}

json value_of(const Value& value) {
  return std::visit([](const auto& held) { return json(held); }, value);
}

json key_schema(const Key& key) {
  json out = {{"type", type_word(key.type)}, {"description", key.meaning + (key.unit.empty() ? "" : " [" + key.unit + "]")}};
  if (!key.required) out["default"] = value_of(key.default_value);
  json* element = &out;
  if (out["type"] == "array") {
    out["items"] = {{"type", item_word(key.type)}};
    element = &out["items"];
  }
  if (key.minimum) (*element)["minimum"] = *key.minimum;
  if (key.maximum) (*element)["maximum"] = *key.maximum;
  if (!key.choices.empty()) (*element)["enum"] = key.choices;
  return out;
}

/// The properties of a table inside, made where they are not yet.
json& inner(json& properties, const std::string& table) {
  json& entry = properties[table];
  if (entry.is_null()) entry = {{"type", "object"}, {"additionalProperties", false}, {"properties", json::object()}};
  return entry["properties"];
}

void put(json& properties, const Key& key) {
  json* at = &properties;
  std::string rest = key.name;
  for (std::size_t dot; (dot = rest.find('.')) != std::string::npos; rest.erase(0, dot + 1))
    at = &inner(*at, rest.substr(0, dot));
  (*at)[rest] = key_schema(key);
}

json table_of(const Study& study, bool lists) {
  json properties = json::object();
  for (const Key& key : study.keys)
    if (key.sweepable)
      properties[key.name] = lists ? json{{"type", "array"}, {"items", key_schema(key)}, {"minItems", 1}} : json::object();
  return {{"type", "object"}, {"properties", properties}};
}

json sweep_schema(const Study& study) {
  const json count = {{"type", "integer"}, {"minimum", 1}};
  const json zip = table_of(study, true), change = table_of(study, false);
  json properties = {{"image_sets", count}, {"seeds", count}, {"max_runs", count}, {"ablation_pairs", {{"type", "boolean"}}}};
  properties["grid"] = {{"type", "object"}, {"description", "full product: lists of values by key, or { values = [...], when = { ... } }"}};
  properties["zip"] = {{"description", "keys that move together"}};
  properties["zip"]["anyOf"] = json::array({zip, json{{"type", "array"}, {"items", zip}}});
  properties["random"] = {{"type", "object"}, {"description", "count, seed, method, and a distribution for each key"}};
  properties["random"]["required"] = json::array({"count"});
  properties["ablation"] = {{"type", "array"}, {"items", change}, {"description", "the base condition, then one change at a time"}};
  properties["exclude"] = {{"type", "array"}, {"items", change}, {"description", "runs that are not run"}};
  return {{"type", "object"}, {"additionalProperties", false}, {"properties", properties}};
}

json replicate_schema() {
  const json count = {{"type", "integer"}, {"minimum", 1}};
  json properties = {{"min", count}, {"max", count}, {"batch", count}, {"width", {{"type", "number"}, {"minimum", 0}}}};
  properties["until"] = {{"const", "every claim decided"}};
  json out = {{"type", "object"}, {"additionalProperties", false}, {"properties", properties}};
  out["description"] = "units are added until every claim is decided";
  out["required"] = json::array({"until", "max"});
  return out;
}

json claim_schema(const Study& study) {
  json metrics = json::array();
  for (const MetricInfo& metric : study.metrics) metrics.push_back(metric.name);
  json part = json::object();
  part["metric"] = {{"type", "string"}, {"enum", metrics}};
  for (const char* table : {"at", "change", "minus", "treatment", "baseline"}) part[table] = {{"type", "object"}};
  part["trend"] = {{"type", "string"}};
  part["direction"] = {{"enum", json::array({"greater", "less"})}};
  part["smallest_effect"] = {{"type", "number"}, {"exclusiveMinimum", 0}};
  json claim = part;
  claim["name"] = {{"type", "string"}};
  claim["alpha"] = {{"type", "number"}, {"exclusiveMinimum", 0}, {"maximum", 0.5}};
  claim["each"] = {{"type", "array"}, {"items", {{"type", "string"}}}};
  claim["part"] = {{"type", "array"}, {"items", {{"type", "object"}, {"properties", part}}}};
  json item = {{"type", "object"}, {"additionalProperties", false}, {"properties", claim}};
  item["required"] = json::array({"name"});
  return {{"type", "array"}, {"items", item}};
}

std::string comment_of(const Key& key) {
  std::string out = key.meaning;
  if (!key.unit.empty()) out += " [" + key.unit + "]";
  std::vector<std::string> choices;
  for (const auto& choice : key.choices) choices.push_back(choice.empty() ? "\"\"" : choice);
  if (!choices.empty()) out += fmt::format("; one of {}", fmt::join(choices, ", "));
  if (key.minimum && key.maximum) out += fmt::format("; {} to {}", *key.minimum, *key.maximum);
  else if (key.minimum) out += fmt::format("; at least {}", *key.minimum);
  else if (key.maximum) out += fmt::format("; at most {}", *key.maximum);
  if (key.required) out += "; required";
  return out;
}

/// Words behind "# ", folded at a width that a terminal has.
std::string folded(const std::string& text) {
  std::string out = "#";
  std::size_t column = 1;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    if (column + 1 + end - begin > kWidest) {
      out += "\n#";
      column = 1;
    }
    out += " " + text.substr(begin, end - begin);
    column += 1 + end - begin;
    begin = end + 1;
  }
  return out + "\n";
}

/// The keys under their tables, in the order of the list.
std::string keys_text(const KeyTable& keys) {
  std::vector<std::pair<std::string, std::string>> tables;
  for (const Key& key : keys) {
    const std::size_t dot = key.name.rfind('.');
    const std::string table = dot == std::string::npos ? "" : key.name.substr(0, dot);
    auto found = std::ranges::find(tables, table, &std::pair<std::string, std::string>::first);
    if (found == tables.end()) found = tables.insert(tables.end(), {table, ""});
    const std::string leaf = key.name.substr(dot == std::string::npos ? 0 : dot + 1);
    found->second += "\n" + folded(comment_of(key)) + leaf + " = " + text(key.default_value) + "\n";
  }
  std::string out;
  for (const auto& [table, lines] : tables) out += (table.empty() ? "" : "\n[" + table + "]") + lines;
  return out;
}

constexpr const char* kSweepText = R"(
[sweep]
image_sets = 13   # independent units: what intervals and tests run over
seeds = 3         # replicates within each

# [sweep.grid]              full product of lists of values: "key" = [a, b]
#                           or only where others have a value: "key" = { values = [a, b], when = { "other" = c } }
# [sweep.zip]               keys that move together
# [sweep.random]            count = 50, and "key" = { uniform = [a, b] }, { log_uniform = [a, b] } or { choice = [...] }
# [[sweep.ablation]]        the base condition, then one change at a time
# [[sweep.exclude]]         what is not run
# [replicate]               until = "every claim decided", min = 10, max = 40, batch = 5: units are added where claims are open, in
#                           place of image_sets; verdicts stand up to looking on the way
)";

}  // namespace

json definition_schema(const KeyTable& keys, const Study* study) {
  json out = {{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"type", "object"}, {"additionalProperties", false}};
  json& properties = out["properties"] = json::object();
  for (const Key& key : keys) put(properties, key);
  if (!study) return out;
  out["title"] = "Palimpsest sweep: " + study->name;
  out["description"] = study->meaning;
  properties["study"] = {{"const", study->name}};
  properties["name"] = {{"type", "string"}, {"description", "what results and reports call the sweep"}};
  properties["include"] = {{"type", "string"}, {"description", "another definition, for what this one does not say"}};
  properties["packs"] = {{"type", "object"},
                         {"properties",
                          {{"size", {{"description", "runs of a pack, or \"auto\""}}},
                           {"snapshot_every", {{"type", "number"}, {"description", "seconds between snapshots of a pack in flight; 0: only where it is stopped"}}}}}};
  properties["cost"] = {{"type", "object"},
                        {"properties",
                         {{"device_hour", {{"type", "number"}, {"description", "price of one worker for an hour"}}}, {"currency", {{"type", "string"}}}}}};
  properties["sweep"] = sweep_schema(*study);
  properties["replicate"] = replicate_schema();
  properties["claim"] = claim_schema(*study);
  return out;
}

std::string commented_definition(const KeyTable& keys, const Study* study) {
  if (!study) return keys_text(keys);
  std::string out = folded(study->meaning + ". Every key with its default; take out what you do not change.");
  out += fmt::format("study = \"{}\"\nname = \"my sweep\"\n", study->name) + keys_text(keys) + kSweepText;
  out += "\n# What can be claimed of, as [[claim]]: metrics with their axes\n";
  for (const MetricInfo& metric : study->metrics)
    out += folded(fmt::format("  {} ({}): {}", metric.name, fmt::join(metric.axes, ", "), metric.meaning));
  return out;
}

}  // namespace palimpsest
