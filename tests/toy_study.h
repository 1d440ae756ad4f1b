#pragma once

#include <map>
#include <string>

#include <fmt/format.h>

#include "runtime/key_error.h"
#include "sweeps/plan.h"

namespace palimpsest {

/// What lies at a path, for the toy study below: a file system of three words.
inline std::map<std::string, std::string>& disk() {
  static std::map<std::string, std::string> files = {{"/photos", "cats"}, {"/moved", "cats"}, {"/others", "dogs"}};
  return files;
}
inline int opened = 0, probed = 0;

/// Reads images.path and images.count; fast.rank changes the shapes, fast.rate does not.
inline const Study& toy() {
  static const Study study = [] {
    Study s;
    s.name = "toy";
    s.unit = "image_set";
    s.keys = {{.name = "images.path", .type = KeyType::kPath, .default_value = std::string("/photos"), .meaning = "Images."},
              {.name = "images.count", .type = KeyType::kInteger, .default_value = std::int64_t{4}, .meaning = "Images of a set."},
              {.name = "fast.rank", .type = KeyType::kInteger, .default_value = std::int64_t{8}, .meaning = "Rank."},
              {.name = "fast.rate", .type = KeyType::kNumber, .default_value = 1e-4, .meaning = "Rate."}};
    s.metrics = {{"m", {"epoch"}, "", ""}};
    s.inspect = [](const Settings& settings, std::int64_t set, std::int64_t) {
      ++opened;
      if (settings.number("fast.rate") > 9) throw KeyError("fast.rate", fmt::format("fast.rate = {} is too fast", settings.number("fast.rate")));
      return Inputs{{{"images", fmt::format("{} {} {}", disk().at(settings.string("images.path")), settings.integer("images.count"), set)}}};
    };
    s.signature = [](const Settings& settings) { return fmt::format("rank {}", settings.integer("fast.rank")); };
    s.probe_memory = [](const RunSpec& run) { ++probed; return static_cast<std::uint64_t>(run.settings.integer("fast.rank")) * 100; };
    return s;
  }();
  return study;
}

inline Definition toy_definition(const std::string& rest) {
  add_study(toy());
  return read_definition_text("study = \"toy\"\nname = \"t\"\n" + rest, "/folder/t.toml");
}

}  // namespace palimpsest
