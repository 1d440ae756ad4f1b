#include <fmt/format.h>

#include "runtime/durable_file.h"
#include "sweeps/definition_toml.h"

namespace palimpsest {
namespace {

constexpr int kDeepest = 8;   // an include of an include ...: more is a circle

/// Relative paths of an included file are relative to it.
void make_absolute(toml::table& root, const Study& study, const std::filesystem::path& folder) {
  for (const Key& key : study.keys) {
    if (key.type != KeyType::kPath) continue;
    auto* text = root.at_path(key.name).as_string();
    if (text && !text->get().empty()) *text = std::filesystem::weakly_canonical(folder / text->get()).string();
  }
}

/// What `from` has and `into` does not, table by table.
void fill_in(toml::table& into, const toml::table& from) {
  for (const auto& [key, node] : from) {
    toml::node* there = into.get(key.str());
    if (!there) node.visit([&, name = key.str()](const auto& held) { into.insert(name, held); });
    else if (there->is_table() && node.is_table()) fill_in(*there->as_table(), *node.as_table());
  }
}

void include_at(toml::table& root, const std::filesystem::path& file, Mistakes& mistakes, int depth) {
  const toml::node& node = *root.get("include");
  const auto name = node.value_exact<std::string>();
  if (!name || name->empty()) return mistakes.add(node, "include names no file. Write include = \"other.toml\".");
  if (depth > kDeepest) return mistakes.add(node, fmt::format("include goes round in a circle at {}. Take one out.", *name));
  const auto other = file.parent_path() / *name;
  std::error_code error;
  if (!std::filesystem::is_regular_file(other, error)) return mistakes.add(node, fmt::format("there is no file {} to include. Check the path: it is relative to this file.", other.string()));
  toml::table included = parse_toml(read_file(other), other);
  if (included.get("include")) include_at(included, other, mistakes, depth + 1);
  included.erase("include");
  const auto study = root["study"].value<std::string>(), theirs = included["study"].value<std::string>();
  if (const Study* found = find_study(study ? *study : theirs.value_or(""))) make_absolute(included, *found, std::filesystem::absolute(other).parent_path());
  fill_in(root, included);
}

}  // namespace

void include_file(toml::table& root, const std::filesystem::path& file, Mistakes& mistakes) { include_at(root, file, mistakes, 1); }

}  // namespace palimpsest
