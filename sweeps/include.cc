#include <fmt/format.h>

#include "runtime/durable_file.h"
#include "sweeps/definition_toml.h"

namespace palimpsest {
namespace {

constexpr int kDeepest = 8;   // an include of an include ...: more is a circle

/// What `from` has and `into` does not, table by table. Nodes are moved, for a copy would forget the file it stands in, which its paths are
/// relative to and its mistakes name.
void fill_in(toml::table& into, toml::table&& from) {
  for (auto&& [key, node] : from) {
    toml::node* there = into.get(key.str());
    if (!there) std::move(node).visit([&, &name = key](auto&& held) { into.insert(name, std::forward<decltype(held)>(held)); });
    else if (there->is_table() && node.is_table()) fill_in(*there->as_table(), std::move(*node.as_table()));
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
  fill_in(root, std::move(included));
}

}  // namespace

void include_file(toml::table& root, const std::filesystem::path& file, Mistakes& mistakes) { include_at(root, file, mistakes, 1); }

}  // namespace palimpsest
