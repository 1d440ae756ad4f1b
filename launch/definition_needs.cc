#include "launch/definition_needs.h"

#include <fmt/format.h>

#include <filesystem>

#include "launch/kind_of_definition.h"
#include "launch/results_folder.h"
#include "launch/shared_options.h"
#include "models/pretraining_images.h"
#include "runtime/error.h"
#include "runtime/host_name.h"

namespace palimpsest {
namespace {

std::vector<std::string> slow_files(const Definition& definition) {
  std::vector<std::string> files;
  for (const Key& key : definition.study->keys) {
    if (!key.name.starts_with("slow.") || key.type != KeyType::kPath) continue;
    for (const Value& value : values_of(definition, key.name)) files.push_back(std::get<std::string>(value));
  }
  return files;
}

// Which masks go with which of several folders is the plan's to know; where the number of images or what is done about unreadable ones is swept,
// a glance is for what every run needs.
std::vector<ImagePlace> image_places(const Definition& definition) {
  if (!definition.base.has("images.path") || axis_of(definition, "images.source") || axis_of(definition, "images.masks")) return {};
  std::vector<ImagePlace> places;
  Settings settings = definition.base;
  if (axis_of(definition, "images.total")) settings.set("images.total", std::int64_t{0});
  if (axis_of(definition, "images.unreadable")) settings.set("images.unreadable", std::string("skip"));
  for (const Value& path : values_of(definition, "images.path")) {
    settings.set("images.path", path);
    if (auto place = image_place(settings)) places.push_back(std::move(*place));
  }
  return places;
}

}  // namespace

DefinitionNeeds needs_of_pretraining(const DefinitionArgument& given) {
  return {.gpus = true, .weights = {}, .images = places_of_pretraining_images(read_pretraining(given.file, given.overrides())), .refuse_folder = refuse_folder_of_sweep};
}

DefinitionNeeds needs_of_sweep(const DefinitionArgument& given) {
  const Definition definition = read_sweep(given.file, given.overrides());
  return {definition.study->on_gpu, slow_files(definition), image_places(definition), refuse_folder_of_pretraining};
}

void refuse_missing_weights(const DefinitionNeeds& needs) {
  for (const std::string& file : needs.weights)
    if (!file.empty() && !std::filesystem::exists(file))
      throw InputError(fmt::format("{}: there is no such file on {}. Make it with `palimpsest pretrain`, copy it there, or name another: --set slow.weights=FILE.", file, host_name()));
}

void refuse_missing_images(const DefinitionNeeds& needs) {
  for (const ImagePlace& place : needs.images) glance_at(place);
}

}  // namespace palimpsest
