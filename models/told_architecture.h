#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/run_axis.h"

namespace palimpsest {

/// What the shapes of an encoder's weights cannot tell.
struct ToldArchitecture {
  std::optional<std::int64_t> heads;
  std::optional<Activation> activation;
  std::optional<double> norm_epsilon;
  std::optional<std::array<float, 3>> mean, sd;  // pixels are normalised with
  std::string by;                                // who told: "its metadata", "config.json"; empty: nobody
};

/// What the metadata of a file that was written here tell.
ToldArchitecture told_by_metadata(const std::map<std::string, std::string>& metadata,
                                  const std::filesystem::path& file);

/// What lies beside a file: config.json (Hugging Face's or timm's), open_clip_config.json, preprocessor_config.json.
/// `width`: of the tokens. Throws InputError where one of them is damaged or names an unknown activation.
ToldArchitecture told_beside(const std::filesystem::path& file, std::int64_t width);

/// Those of `keys` that the config.json beside a file has, as a JSON object. Throws InputError where it is damaged.
std::string config_entries(const std::filesystem::path& file, const std::vector<std::string>& keys);

/// quick_gelu, gelu, gelu_pytorch_tanh, relu, and other libraries' words for them. `source` is named in the error.
Activation activation_named(const std::string& name, const std::string& source);
std::string name_of(Activation);

}  // namespace palimpsest
