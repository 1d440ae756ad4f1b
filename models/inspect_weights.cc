#include "models/inspect_weights.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/import_weights.h"
#include "models/key_ranges.h"
#include "models/told_architecture.h"
#include "models/weight_files.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;

std::string yes_or_no(bool yes) { return yes ? "yes" : "no"; }

std::map<std::string, std::string> architecture_of(const VitConfig& c) {
  return {{"width", fmt::format("{}", c.width)},         {"depth", fmt::format("{}", c.depth)},
          {"heads", fmt::format("{}", c.heads)},         {"mlp_width", fmt::format("{}", c.mlp_width)},
          {"patch", fmt::format("{}", c.patch)},         {"side", fmt::format("{}", c.side)},
          {"activation", name_of(c.activation)},         {"norm_epsilon", fmt::format("{}", c.norm_epsilon)},
          {"class_token", yes_or_no(c.class_token)},     {"norm_before_blocks", yes_or_no(c.pre_norm)},
          {"norm_after_blocks", yes_or_no(c.final_norm)}};
}

bool any_key(const WeightFacts& facts, std::string_view part) {
  return std::ranges::any_of(facts.tensors,
                             [&](const auto& tensor) { return tensor.first.find(part) != std::string::npos; });
}

// Why it cannot be imported; empty: it can.
std::string describe_import(WeightFacts& facts, const ImportOptions& options) {
  try {
    const auto imported = import_weights(options);
    facts.architecture = architecture_of(imported.weights.config);
    facts.remarks = imported.remarks;
    return {};
  } catch (const InputError& error) {
    return error.what();
  }
}

void describe_encoder(WeightFacts& facts, const FoundFamily& found) {
  facts.kind = fmt::format("{} ({})", found.family->name, found.family->meaning);
  if (facts.metadata.contains("heads")) facts.kind = "slow weights of Palimpsest";
  ImportOptions options{
      .file = facts.file, .family = found.family->name, .prefix = found.prefix, .activation = {}, .norm_epsilon = {}};
  if (const auto without_heads = describe_import(facts, options); !without_heads.empty()) {
    options.heads = 1;  // the rest of the architecture does not depend on them
    if (describe_import(facts, options).empty()) facts.architecture["heads"] = "not told";
    facts.remarks = {"it cannot be used as slow weights: " + without_heads};
  }
  if (any_key(facts, "decoder.")) facts.architecture["decoder"] = "yes";
}

void describe_adapters(WeightFacts& facts) {
  facts.kind = any_key(facts, ".base_layer.") ? "an encoder with peft's adapters in it" : "adapters of peft";
  std::vector<std::int64_t> ranks;
  std::vector<std::string> maps;
  for (const auto& [key, entry] : facts.tensors) {
    const auto at = key.find(".lora_A.");
    if (at == std::string::npos || entry.shape.empty()) continue;
    ranks.push_back(entry.shape.front());
    maps.push_back(key.substr(0, at));
  }
  std::ranges::sort(ranks);
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  facts.architecture["adapter_ranks"] = number_ranges(ranks);
  facts.architecture["adapters"] = fmt::format("{}", maps.size());
  const auto config = facts.file.parent_path() / "adapter_config.json";
  if (!fs::exists(config)) return;
  const auto json = nlohmann::json::parse(read_file(config), nullptr, false);
  if (json.is_object() && json.contains("lora_alpha")) facts.architecture["adapter_alpha"] = json["lora_alpha"].dump();
}

void describe(WeightFacts& facts) {
  std::vector<std::string> keys;
  for (const auto& [key, entry] : facts.tensors) keys.push_back(key);
  const auto found = families_of(keys);
  // Before encoders, whose names the moments bear too.
  const bool moments = std::ranges::any_of(keys, [](const std::string& key) { return key.starts_with("first."); });
  if (moments)
    facts.kind = "a rank's share of a checkpoint: weights and their moments";
  else if (any_key(facts, ".lora_A."))
    describe_adapters(facts);
  else if (!found.empty())
    describe_encoder(facts, found.front());
  else if (facts.tensors.contains("embedding") && facts.tensors.contains("block.0"))
    facts.kind = "features of images";
  else
    facts.kind = "tensors of no family that is known";
}

void count_not_finite(WeightFacts& facts, const SafetensorsFile& file) {
  static const std::vector<std::string> kFloats = {"F32", "F16", "BF16", "F64"};
  for (const auto& [name, entry] : facts.tensors) {
    if (std::ranges::find(kFloats, entry.dtype) == kFloats.end()) continue;
    const auto value = read_tensor(file, name);
    if (const auto wrong = value.numel() - at::isfinite(value).sum().item<std::int64_t>(); wrong > 0)
      facts.not_finite[name] = wrong;
  }
}

bool is_checkpoint(const fs::path& folder) {
  return fs::exists(folder / "manifest.json") || folder.filename().string().starts_with("step-");
}

std::vector<fs::path> checkpoints_in(const fs::path& folder) {
  std::vector<fs::path> found;
  if (is_checkpoint(folder)) found.push_back(folder);
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_directory() && is_checkpoint(entry.path())) found.push_back(entry.path());
  std::ranges::sort(found);
  return found;
}

std::vector<fs::path> safetensors_below(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.path().extension() == ".safetensors") found.push_back(entry.path());
  std::ranges::sort(found);
  return found;
}

}  // namespace

std::int64_t WeightFacts::parameters() const {
  std::int64_t count = 0;
  for (const auto& [name, entry] : tensors) count += c10::multiply_integers(entry.shape);
  return count;
}

WeightFacts inspect_weight_file(const fs::path& path) {
  WeightFacts facts;
  facts.file = path;
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) facts.bytes = fs::file_size(path, ignored);
  try {
    const WeightFiles checked(path);  // says of a PyTorch file how it is converted
    const SafetensorsFile file(checked.path());
    facts.tensors = file.tensors();
    facts.metadata = file.metadata();
    count_not_finite(facts, file);
    describe(facts);
  } catch (const InputError& error) {
    facts.damage = error.what();
  }
  return facts;
}

InspectedWeights inspect_weights(const fs::path& path) {
  InspectedWeights out;
  if (!fs::exists(path)) throw InputError(fmt::format("{}: there is no such file or folder. Check the path.", path.string()));
  if (!fs::is_directory(path)) {
    out.files.push_back(inspect_weight_file(path));
    return out;
  }
  for (const auto& file : safetensors_below(path)) out.files.push_back(inspect_weight_file(file));
  for (const auto& folder : checkpoints_in(path)) {
    const auto& facts = out.checkpoints.emplace_back(inspect_checkpoint(folder));
    if (!facts.flaw.empty())
      out.flaws.push_back(fmt::format("{}: this checkpoint is not whole: {}", folder.string(), facts.flaw));
  }
  if (out.files.empty() && out.flaws.empty())
    throw InputError(fmt::format("{}: there is no safetensors file in it or below it. Name a file or another folder.",
                                 path.string()));
  return out;
}

}  // namespace palimpsest
