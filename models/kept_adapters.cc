#include "models/kept_adapters.h"

#include <cstdlib>

#include <fmt/format.h>

#include "models/told_architecture.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/safetensors.h"

namespace palimpsest {
namespace {

constexpr const char *kOver = "adapters_over", *kContent = "adapters_over_content", *kWhole = "adapters_are_all", *kDepth = "depth", *kPatch = "patch";

const std::string& told(const std::map<std::string, std::string>& metadata, const std::string& key, const std::filesystem::path& file) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) throw InputError(fmt::format("{}: its metadata do not tell {}. It was not written by this program, or changed since.", file.string(), key));
  return found->second;
}

void refuse_other_weights(const std::filesystem::path& file, const std::filesystem::path& over, const std::string& content) {
  if (!std::filesystem::exists(over))
    throw InputError(fmt::format("{}: its adapters lie over {}, which is not there. Put it back where it was.", file.string(), over.string()));
  if (file_hash(over) != content)
    throw InputError(fmt::format("{}: its adapters lie over {}, which has changed since. Put it back as it was.", file.string(), over.string()));
}

}  // namespace

void write_adapters_alone(const std::filesystem::path& file, const AdaptedWeights& adapted, const UnderAdapters& under) {
  auto metadata = metadata_of(adapted.slow);
  metadata[kOver] = under.weights.string();
  metadata[kContent] = under.content;
  metadata[kWhole] = under.whole ? "true" : "false";
  metadata[kDepth] = std::to_string(adapted.slow.config.depth);
  metadata[kPatch] = std::to_string(adapted.slow.config.patch);
  TensorMap tensors;
  put_adapters(adapted.adapters, tensors, metadata);
  write_tensors(file, tensors, metadata);
}

bool are_adapters_alone(const std::map<std::string, std::string>& metadata) { return metadata.contains(kOver); }

bool are_whole_encoder(const std::filesystem::path& file) { return told(SafetensorsFile(file).metadata(), kWhole, file) == "true"; }

AdaptedWeights read_with_slow_weights(const std::filesystem::path& file, std::int64_t heads, std::optional<double> scale) {
  const auto metadata = SafetensorsFile(file).metadata();
  if (!are_whole_encoder(file))
    throw InputError(fmt::format("{}: holds the adapters of a run alone, and its encoder learned beside them. Name the results folder and --run instead: the run is trained "
                                 "again. Or export the adapters alone, weights export --family peft.", file.string()));
  const auto& over = told(metadata, kOver, file);
  refuse_other_weights(file, over, told(metadata, kContent, file));
  const auto as_trained = told_by_metadata(metadata, file);
  AdaptedWeights out = read_adapted_weights(over, heads > 0 ? heads : as_trained.heads.value_or(0));
  out.slow.config.activation = as_trained.activation.value_or(out.slow.config.activation);
  out.slow.decoder_config.reset();   // the run had one of its own
  out.slow.decoder.clear();
  out.adapters = adapters_in(read_tensors(file), metadata, out.slow.config.depth, scale);
  return out;
}

AdaptedWeights read_adapters(const std::filesystem::path& file) {
  const auto metadata = SafetensorsFile(file).metadata();
  if (!are_adapters_alone(metadata)) return read_adapted_weights(file);
  refuse_double_projection(metadata, file);
  AdaptedWeights out;
  out.slow.config.depth = std::strtoll(told(metadata, kDepth, file).c_str(), nullptr, 10);
  out.slow.config.patch = std::strtoll(told(metadata, kPatch, file).c_str(), nullptr, 10);
  out.adapters = adapters_in(read_tensors(file), metadata, out.slow.config.depth, {});
  return out;
}

}  // namespace palimpsest
