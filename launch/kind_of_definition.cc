#include "launch/kind_of_definition.h"

#include <algorithm>

#include <fmt/format.h>

#include "models/pretrain.h"
#include "runtime/definition_names.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

bool only_sweeps_have(const std::string& name) {
  static const std::vector<std::string> names = {"study", "name", "sweep", "replicate", "packs", "cost", "claim", "include"};
  return std::ranges::find(names, name) != names.end();
}

bool pretraining_has(const std::string& name) {
  return std::ranges::any_of(pretrain_keys(), [&](const Key& key) { return key.name == name || key.name.starts_with(name + "."); });
}

// A folder that nobody reads, since images are made or held out: who named it means it.
void refuse_unread_folder(const std::filesystem::path& file, const Settings& settings, const std::string& place, const std::string& key) {
  const std::string& source = settings.string(place + ".source");
  if (source == "folder" || source == "shards" || settings.string(place + "." + key).empty()) return;
  throw InputError(fmt::format("{0}: {1}.{2} = \"{3}\" would not be read, since {1}.source = \"{4}\". Write {1}.source = \"folder\" (or \"shards\"), or leave {1}.{2} out.",
                               file.string(), place, key, settings.string(place + "." + key), source));
}

void refuse_unread_folders(const std::filesystem::path& file, const Definition& definition) {
  if (!definition.base.has("images.source") || axis_of(definition, "images.source")) return;
  Settings settings = definition.base;
  for (const char* key : {"path", "masks"})
    for (const Value& value : values_of(definition, fmt::format("images.{}", key))) {
      settings.set(fmt::format("images.{}", key), value);
      refuse_unread_folder(file, settings, "images", key);
    }
}

}  // namespace

std::vector<Value> values_of(const Definition& definition, std::string_view key) {
  const SweepAxis* axis = axis_of(definition, key);
  return axis ? axis->values : std::vector{definition.base.at(key)};
}

std::string kinds_of_definition() {
  std::string out;
  for (const Study* study : all_studies()) out += study->name + ", ";
  return out + "or pretraining";
}

KindOfDefinition kind_of_definition(const std::string& name) {
  if (name == "pretraining") return {pretrain_keys(), nullptr};
  if (const Study* study = find_study(name)) return {study->keys, study};
  throw InputError(fmt::format("there is no study \"{}\". Write {}.", name, kinds_of_definition()));
}

Definition read_sweep(const std::filesystem::path& file, std::span<const Override> overrides) {
  const auto names = names_at_top(file);
  const bool given_a_study = std::ranges::find(overrides, "study", &Override::key) != overrides.end();
  if (!given_a_study && std::ranges::none_of(names, only_sweeps_have) && std::ranges::any_of(names, pretraining_has))
    throw InputError(fmt::format("{0}: this is a pretraining definition. Write: palimpsest pretrain {0} --out DIR", file.string()));
  Definition definition = read_definition(file, overrides);
  refuse_unread_folders(file, definition);
  return definition;
}

Settings read_pretraining(const std::filesystem::path& file, std::span<const Override> overrides) {
  if (std::ranges::any_of(names_at_top(file), only_sweeps_have))
    throw InputError(fmt::format("{0}: this is the definition of a sweep. Write: palimpsest sweep {0} --out DIR, or palimpsest plan {0}", file.string()));
  Settings settings = read_settings(file, pretrain_keys(), overrides);
  for (const char* key : {"path", "masks"}) refuse_unread_folder(file, settings, "images", key);
  refuse_unread_folder(file, settings, "validation", "path");
  return settings;
}

}  // namespace palimpsest
