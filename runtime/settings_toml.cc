#include "runtime/settings_toml.h"

#include <algorithm>
#include <tuple>

#include "runtime/durable_file.h"

namespace palimpsest {
namespace {

std::string as_written(const std::filesystem::path& file, const toml::source_region& where) {
  if (from_command_line(where)) return *where.path;
  const std::string its_file = where.path ? *where.path : file.string();
  if (!where.begin) return its_file;
  return its_file + ":" + std::to_string(where.begin.line) + ":" + std::to_string(where.begin.column);
}

}  // namespace

const toml::source_region& place(const toml::key& key, const toml::node& node) {
  return key.source().begin ? key.source() : node.source();
}

void Mistakes::add(const toml::source_region& where, const std::string& what) {
  mistakes_.push_back({where, as_written(file_, where) + ": " + what});
}

std::string Mistakes::place_of(const toml::source_region& where) const { return as_written(file_, where); }

void Mistakes::add(const std::string& what) { add(toml::source_region{}, what); }

void Mistakes::throw_if_any() const {
  if (mistakes_.empty()) return;
  std::vector<Mistake> sorted = mistakes_;
  // The file from top to bottom, then those it includes, then what it lacks, then the command line.
  const auto order = [&](const Mistake& m) {
    const bool in_a_file = m.where.begin && !from_command_line(m.where);
    const bool included = in_a_file && m.where.path && *m.where.path != file_.string();
    const int part = from_command_line(m.where) ? 3 : !in_a_file ? 2 : included ? 1 : 0;
    return std::make_tuple(part, included ? *m.where.path : std::string(), in_a_file ? m.where.begin.line : 0u,
                           in_a_file ? m.where.begin.column : 0u);
  };
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const Mistake& a, const Mistake& b) { return order(a) < order(b); });
  std::vector<std::string> lines;
  for (const Mistake& mistake : sorted)  // what two readers of one field tell is told once
    if (std::find(lines.begin(), lines.end(), mistake.line) == lines.end()) lines.push_back(mistake.line);
  throw DefinitionError(std::move(lines));
}

toml::table parse_toml(std::string_view text, const std::filesystem::path& file) {
  try {
    return toml::parse(text, file.string());
  } catch (const toml::parse_error& error) {
    throw DefinitionError({as_written(file, error.source()) + ": " + std::string(error.description()) +
                           ". This is not TOML; mend it here first."});
  }
}

std::string did_you_mean(std::string_view word, std::span<const std::string> known) {
  const auto meant = nearest(word, known);
  return meant ? " Did you mean " + *meant + "?" : "";
}

Settings read_settings(const std::filesystem::path& file, const KeyTable& table, std::span<const Override> overrides) {
  Mistakes mistakes(file);
  toml::table root = parse_toml(read_file(file), file);
  lay_over(root, overrides, table, mistakes);
  Settings settings = read_keys(root, table, {}, mistakes);
  mistakes.throw_if_any();
  return settings;
}

}  // namespace palimpsest
