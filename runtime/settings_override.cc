// What the command line lays over a definition: --set key=value.

#include <algorithm>

#include "runtime/settings_toml.h"

namespace palimpsest {
namespace {

constexpr std::string_view kCommandLine = "--set ";  // how the source of an override begins

bool holds_text(KeyType type) { return type == KeyType::kString || type == KeyType::kPath; }

std::string source_of(const Override& given) { return std::string(kCommandLine) + given.key + "=" + given.value; }

toml::table parse_override_value(const Override& given, bool as_text) {
  const std::string source = source_of(given);
  const auto literal = [&] {
    try {
      return toml::parse("value = " + text(Value(given.value)), source);
    } catch (const toml::parse_error& error) {
      throw InputError(source + ": this cannot be read (" + std::string(error.description()) + "). Write it in UTF-8.");
    }
  };
  try {
    toml::table parsed = toml::parse("value = " + given.value, source);
    if (parsed.size() == 1 && (!as_text || parsed["value"].is_string())) return parsed;
    return literal();
  } catch (const toml::parse_error&) {
    return literal();
  }
}

void lay_over_one(toml::table& root, const Override& given, const KeyTable& keys, Mistakes& mistakes) {
  const auto key = std::find_if(keys.begin(), keys.end(), [&](const Key& k) { return k.name == given.key; });
  toml::table parsed = parse_override_value(given, key != keys.end() && holds_text(key->type));
  toml::node& node = *parsed.get("value");
  toml::table* table = &root;
  std::string_view rest = given.key;
  for (std::size_t dot; (dot = rest.find('.')) != std::string_view::npos; rest.remove_prefix(dot + 1)) {
    toml::table fresh = toml::parse("value = {}", source_of(given));  // parsed, so that it knows where it comes from
    toml::node& inner =
        table->emplace<toml::table>(rest.substr(0, dot), std::move(*fresh["value"].as_table())).first->second;
    if (!(table = inner.as_table()))
      return mistakes.add(
          node, std::string(given.key.substr(0, rest.data() - given.key.data() + dot)) + " is no table of keys.");
  }
  std::move(node).visit([&](auto&& held) { table->insert_or_assign(rest, std::forward<decltype(held)>(held)); });
}

}  // namespace

bool from_command_line(const toml::source_region& where) { return where.path && where.path->starts_with(kCommandLine); }

void lay_over(toml::table& root, std::span<const Override> overrides, const KeyTable& keys, Mistakes& mistakes) {
  for (const Override& given : overrides) lay_over_one(root, given, keys, mistakes);
}

}  // namespace palimpsest
