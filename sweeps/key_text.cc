#include "sweeps/key_text.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "runtime/words.h"
#include "sweeps/claim_fields.h"
#include "sweeps/definition_keys.h"

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

/// What a key may be given, without words and default: those stand where it has its one value.
json bare_schema(const Key& key) {
  json out = key_schema(key);
  out.erase("description");
  out.erase("default");
  return out;
}

json list_of(const json& item) { return {{"type", "array"}, {"items", item}, {"minItems", 1}}; }

/// Keys that are allowed beside those of `properties`: quoted with their dots ("fast.qkv"), or in tables of their own.
template <class Entry>
json table_of(const std::vector<const Key*>& keys, json properties, Entry entry) {
  for (const Key* key : keys) {
    properties[key->name] = entry(*key);
    if (const std::size_t dot = key->name.find('.'); dot != std::string::npos) inner(properties, key->name.substr(0, dot))[key->name.substr(dot + 1)] = entry(*key);
  }
  return {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
}

std::vector<const Key*> keys_of(const Study& study, bool swept) {
  std::vector<const Key*> keys;
  for (const Key& key : study.keys)
    if (key.sweepable || !swept) keys.push_back(&key);
  return keys;
}

json any_of(std::vector<json> kinds) { return {{"anyOf", std::move(kinds)}}; }

/// { uniform = [a, b] }, { log_uniform = [a, b] } or { choice = [...] }
json distribution_schema(const Key& key) {
  const auto only = [](const char* name, const json& value) { return json{{"type", "object"}, {"properties", {{name, value}}}, {"required", {name}}, {"additionalProperties", false}}; };
  std::vector<json> kinds = {only("choice", list_of(bare_schema(key)))};
  if (key.type != KeyType::kNumber && key.type != KeyType::kInteger) return kinds.front();
  json end = bare_schema(key);
  end["type"] = "number";
  const json ends = {{"type", "array"}, {"items", end}, {"minItems", 2}, {"maxItems", 2}};
  kinds.push_back(only("uniform", ends));
  kinds.push_back(only("log_uniform", ends));
  return any_of(kinds);
}

/// Ways to sweep, beside the keys of [sweep].
void put_ways_to_sweep(json& properties, const Study& study) {
  const auto all = keys_of(study, false), swept = keys_of(study, true);
  const auto value_or_list = [](const Key& key) { return any_of({bare_schema(key), list_of(bare_schema(key))}); };
  const json zip = table_of(swept, {{"how", {{"type", "string"}, {"description", "how the points came about, for the report"}}}}, [](const Key& key) { return list_of(bare_schema(key)); });
  json change = table_of(swept, json::object(), value_or_list), excluded = table_of(all, json::object(), value_or_list);
  properties["grid"] = table_of(swept, json::object(), [&](const Key& key) {
    const json list = list_of(bare_schema(key));
    return any_of({list, {{"type", "object"}, {"properties", {{"values", list}, {"when", {{"$ref", "#/$defs/when"}}}}}, {"required", {"values", "when"}}, {"additionalProperties", false}}});
  });
  properties["grid"]["description"] = "full product: lists of values by key, or { values = [...], when = { ... } }";
  properties["zip"] = {{"description", "keys that move together"}};
  properties["zip"]["anyOf"] = json::array({zip, json{{"type", "array"}, {"items", zip}}});
  properties["random"] = table_of(swept, {{"count", {{"type", "integer"}, {"minimum", 1}}}, {"seed", {{"type", "integer"}, {"minimum", 0}}}, {"method", {{"enum", {"sobol", "independent"}}}}},
                                  distribution_schema);
  properties["random"]["description"] = "count, seed, method, and a distribution for each key";
  properties["random"]["required"] = json::array({"count"});
  properties["ablation"] = {{"type", "array"}, {"items", change}, {"description", "the base condition, then one change at a time; keys of one table change together"}};
  properties["exclude"] = {{"type", "array"}, {"items", excluded}, {"description", "runs that are not run"}};
}

json field_schema(const ClaimField& field) {
  json out = {{"description", field.meaning}};
  const auto type = [&](const char* word) { out["type"] = word; };
  switch (field.type) {
    case ClaimField::Type::kText: type("string"); break;
    case ClaimField::Type::kNumber: type("number"); break;
    case ClaimField::Type::kTable: type("object"); break;
    case ClaimField::Type::kKeys: type("array"), out["items"] = {{"type", "string"}}; break;
    case ClaimField::Type::kParts: type("array"); break;
  }
  if (!field.choices.empty()) out["enum"] = field.choices;
  if (field.above) out["exclusiveMinimum"] = *field.above;
  if (field.most) out["maximum"] = *field.most;
  return out;
}

json claim_schema(const Study& study) {
  json claim = json::object(), part = json::object();
  for (const ClaimField& field : claim_fields(study)) {
    claim[field.name] = field_schema(field);
    if (field.of_part) part[field.name] = claim[field.name];
  }
  claim["part"]["items"] = {{"type", "object"}, {"additionalProperties", false}, {"properties", part}};
  json item = {{"type", "object"}, {"additionalProperties", false}, {"properties", claim}};
  item["required"] = json::array({"name"});
  return {{"type", "array"}, {"items", item}};
}

std::string comment_of(const Key& key) {
  std::string out = without_full_stop(key.meaning);
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

constexpr const char* kWaysToSweep = R"(
# [sweep.grid]              full product of lists of values: "key" = [a, b]
#                           or only where others have a value: "key" = { values = [a, b], when = { "other" = c } }
# [[sweep.zip]]             keys that move together: lists of equal length
# [sweep.random]            count = 50, and "key" = { uniform = [a, b] }, { log_uniform = [a, b] } or { choice = [...] };
#                           seed = 0; method = "sobol" or "independent"
# [[sweep.ablation]]        the base condition, then one change at a time: a table each, whose keys change together
# [[sweep.exclude]]         what is not run: "key" = a value, or a list of them
)";

std::string commented_out(const std::string& text) {
  std::string out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    out += (begin == end ? "" : "# ") + text.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  return out;
}

/// The keys of every sweep, with values to begin with.
std::string sweep_text() {
  KeyTable sweep = keys_of_sweep(), packs = keys_of_packs();
  const auto set = [](KeyTable& keys, const Key& key, Value value) { std::ranges::find(keys, key.name, &Key::name)->default_value = std::move(value); };
  set(sweep, kImageSets, std::int64_t{13});
  set(sweep, kSeeds, std::int64_t{3});
  set(packs, kPackSize, std::string("auto"));
  return keys_text(sweep) + kWaysToSweep + "\n# In place of sweep.image_sets: units are added where claims are open, and verdicts stand up to looking on the way.\n" +
         commented_out(keys_text(keys_of_replicate()) + keys_text(packs) + keys_text(keys_of_cost()));
}

std::string claim_text(const Study& study) {
  std::string out = "\n# What is claimed, as often as there are claims:\n#\n# [[claim]]\n";
  for (const ClaimField& field : claim_fields(study))
    out += field.example.empty() ? fmt::format("# # {}\n", field.meaning) : fmt::format("# {:<48} # {}\n", field.name + " = " + field.example, field.meaning);
  out += "\n# Metrics, with their axes\n";
  for (const MetricInfo& metric : study.metrics)
    out += folded(fmt::format("  {} ({}): {}", metric.name, fmt::join(metric.axes, ", "), metric.meaning));
  return out;
}

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
  for (const KeyTable& table : {keys_of_sweep(), keys_of_replicate(), keys_of_packs(), keys_of_cost()})
    for (const Key& key : table) put(properties, key);
  put_ways_to_sweep(inner(properties, "sweep"), *study);
  out["$defs"]["when"] = table_of(keys_of(*study, false), json::object(), bare_schema);
  properties["replicate"]["description"] = "units are added until every claim is decided";
  properties["replicate"]["required"] = json::array({"until", "max"});
  properties["packs"]["properties"]["size"] = {{"description", kPackSize.meaning}, {"default", "auto"}};
  properties["packs"]["properties"]["size"]["anyOf"] = json::array({json{{"type", "integer"}, {"minimum", 1}}, json{{"const", "auto"}}});
  properties["claim"] = claim_schema(*study);
  return out;
}

std::string commented_definition(const KeyTable& keys, const Study* study) {
  if (!study) return keys_text(keys);
  std::string out = folded(without_full_stop(study->meaning) + ". Every key with its default; take out what you do not change.");
  out += fmt::format("study = \"{}\"\nname = \"my sweep\"\n# include = \"other.toml\"   takes from another file what this one does not say\n", study->name);
  return out + keys_text(keys) + sweep_text() + claim_text(*study);
}

}  // namespace palimpsest
