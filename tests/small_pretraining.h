#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

#include "models/pretrain.h"
#include "runtime/agree.h"

namespace palimpsest {

/// A definition that trains in a second: 16 x 16 pixels in patches of 4, width 16, depth 1, on 20 dead leaves.
inline Settings small_pretraining() {
  Settings settings = default_settings(pretrain_keys());
  const std::initializer_list<std::pair<const char*, std::int64_t>> integers = {
      {"model.width", 16},      {"model.depth", 1},     {"model.heads", 2},      {"model.patch", 4},           {"model.side", 16},
      {"model.decoder_width", 16}, {"model.decoder_depth", 1}, {"model.decoder_heads", 2}, {"images.total", 20}, {"images.side", 24},
      {"validation.count", 4},  {"validation.every", 10}, {"training.batch", 8}, {"training.steps", 30},       {"training.warmup_steps", 5},
      {"training.seed", 11}};
  for (const auto& [key, value] : integers) settings.set(key, value);
  settings.set("training.checkpoint_minutes", 0.0);
  return settings;
}

/// A folder of its own under the system's temporary one, gone with this.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& name) : TemporaryFolder(name, getpid()) {}
  /// One for all ranks of a test.
  TemporaryFolder(const std::string& name, Communicator& ranks)
      : TemporaryFolder(name, std::stoi(text_of_rank(ranks, 0, std::to_string(getpid())))) {}
  ~TemporaryFolder() {
    std::error_code ignored;   // another rank may remove it at this moment
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  TemporaryFolder(const std::string& name, int number)
      : path_(std::filesystem::temp_directory_path() / ("palimpsest-" + name + "-" + std::to_string(number))) {
    std::filesystem::create_directories(path_);
  }
  std::filesystem::path path_;
};

}  // namespace palimpsest
