#include "sweeps/ledger_json.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace palimpsest {
namespace {

using Json = nlohmann::json;

Json number(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

double number_of(const Json& json) {
  if (json.is_number()) return json.get<double>();
  const std::string word = json.get<std::string>();
  if (word == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (word == "inf") return std::numeric_limits<double>::infinity();
  if (word == "-inf") return -std::numeric_limits<double>::infinity();
  throw FormatError("a number is written as \"" + word + "\"");
}

// JSON's own conversion takes 1e83 as well, whatever comes of it.
std::int64_t integer_of(const Json& json) {
  if (!json.is_number_integer()) throw FormatError("an integer is written as " + json.dump());
  return json.get<std::int64_t>();
}

Json json_of(bool value) { return {"b", value}; }
Json json_of(std::int64_t value) { return {"i", value}; }
Json json_of(double value) { return {"d", number(value)}; }
Json json_of(const std::string& value) { return {"s", value}; }
Json json_of(const std::vector<std::int64_t>& value) { return {"I", value}; }
Json json_of(const std::vector<double>& value) {
  Json list = Json::array();
  for (double one : value) list.push_back(number(one));
  return {"D", std::move(list)};
}
Json json_of(const std::vector<std::string>& value) { return {"S", value}; }
Json json_of(const Value& value) {
  return std::visit([](const auto& one) { return json_of(one); }, value);
}

Value value_of(const Json& json) {
  const std::string type = json.at(0).get<std::string>();
  const Json& value = json.at(1);
  if (type == "b") return value.get<bool>();
  if (type == "i") return integer_of(value);
  if (type == "d") return number_of(value);
  if (type == "s") return value.get<std::string>();
  if (type == "I") {
    std::vector<std::int64_t> list;
    for (const Json& one : value) list.push_back(integer_of(one));
    return list;
  }
  if (type == "S") return value.get<std::vector<std::string>>();
  if (type != "D") throw FormatError("a value is of the unknown type \"" + type + "\"");
  std::vector<double> list;
  for (const Json& one : value) list.push_back(number_of(one));
  return list;
}

Json json_of(const std::map<std::string, Value>& values) {
  Json json = Json::object();
  for (const auto& [key, value] : values) json[key] = json_of(value);
  return json;
}

std::map<std::string, Value> values_of(const Json& json) {
  std::map<std::string, Value> values;
  for (const auto& [key, value] : json.items()) values.emplace(key, value_of(value));
  return values;
}

Json json_of(const ClaimPart& part) {
  return {{"metric", part.metric},
          {"at", part.at},
          {"change_axis", part.change_axis},
          {"change_from", part.change_from},
          {"change_to", part.change_to},
          {"log_ratio", part.log_ratio},
          {"trend_axis", part.trend_axis},
          {"matched", part.matched},
          {"minus", part.minus},
          {"treatment", json_of(part.treatment)},
          {"baseline", json_of(part.baseline)},
          {"direction", part.direction == Direction::kGreater ? "greater" : "less"},
          {"smallest_effect", number(part.smallest_effect)}};
}

ClaimPart part_of(const Json& json) {
  return {.metric = json.at("metric"),
          .at = json.at("at").get<Selection>(),
          .change_axis = json.at("change_axis"),
          .change_from = json.at("change_from"),
          .change_to = json.at("change_to"),
          .log_ratio = json.at("log_ratio"),
          .trend_axis = json.at("trend_axis"),
          .matched = json.value("matched", std::string()),   // older ledgers have none
          .minus = json.at("minus").get<Selection>(),
          .treatment = values_of(json.at("treatment")),
          .baseline = values_of(json.at("baseline")),
          .direction = json.at("direction") == "greater" ? Direction::kGreater : Direction::kLess,
          .smallest_effect = number_of(json.at("smallest_effect"))};
}

std::string dumped(const Json& json) {
  try {
    return json.dump();
  } catch (const Json::exception&) {
    throw FormatError("a name or path of the definition is not UTF-8 text. Rename it.");
  }
}

template <class Read>
auto parsed(std::string_view text, Read read) {
  try {
    return read(Json::parse(text));
  } catch (const Json::exception& error) {
    throw FormatError(std::string("text that is none of ours: ") + error.what());
  }
}

}  // namespace

std::string to_json(const Settings& settings) {
  return dumped(json_of(std::map<std::string, Value>(settings.values().begin(), settings.values().end())));
}

std::string to_json(const std::vector<Axis>& axes) {
  Json json = Json::array();
  for (const Axis& axis : axes) json.push_back({{"name", axis.name}, {"labels", axis.labels}});
  return dumped(json);
}

std::string to_json(const Claim& claim) {
  Json parts = Json::array();
  for (const ClaimPart& part : claim.parts) parts.push_back(json_of(part));
  return dumped({{"name", claim.name},
                 {"parts", std::move(parts)},
                 {"each", claim.each},
                 {"alpha", claim.alpha},
                 {"hash", claim.hash}});
}

std::string to_json(const std::map<std::string, std::string>& words) { return dumped(words); }
std::string to_json(const std::vector<std::string>& list) { return dumped(list); }
std::string to_json(const std::vector<SessionUnits>& sessions) { return dumped(sessions); }

Settings settings_of_json(std::string_view text) {
  return parsed(text, [](const Json& json) {
    Settings settings;
    for (auto& [key, value] : values_of(json)) settings.set(key, value);
    return settings;
  });
}

std::vector<Axis> axes_of_json(std::string_view text) {
  return parsed(text, [](const Json& json) {
    std::vector<Axis> axes;
    for (const Json& axis : json) axes.push_back({axis.at("name"), axis.at("labels").get<std::vector<std::string>>()});
    return axes;
  });
}

Claim claim_of_json(std::string_view text) {
  return parsed(text, [](const Json& json) {
    Claim claim{.name = json.at("name"),
                .parts = {},
                .each = json.at("each").get<std::vector<std::string>>(),
                .alpha = json.at("alpha"),
                .hash = json.at("hash")};
    for (const Json& part : json.at("parts")) claim.parts.push_back(part_of(part));
    return claim;
  });
}

std::map<std::string, std::string> words_of_json(std::string_view text) {
  return parsed(text, [](const Json& json) { return json.get<std::map<std::string, std::string>>(); });
}

std::vector<SessionUnits> units_of_json(std::string_view text) {
  return parsed(text, [](const Json& json) { return json.get<std::vector<SessionUnits>>(); });
}

std::vector<std::string> list_of_json(std::string_view text) {
  return parsed(text, [](const Json& json) { return json.get<std::vector<std::string>>(); });
}

}  // namespace palimpsest
