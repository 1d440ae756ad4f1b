#include "sweeps/familiarity_axes.h"

#include <algorithm>

#include <fmt/format.h>

#include "runtime/error.h"
#include "sweeps/axis_labels.h"
#include "sweeps/read_out.h"

namespace palimpsest {
namespace {

std::vector<std::string> ranks() {
  std::vector<double> shares;
  for (std::int64_t i = 0; i < kTuningRanks; ++i) shares.push_back(static_cast<double>(i) / static_cast<double>(kTuningRanks - 1));
  return number_labels(shares);
}

std::vector<std::string> labels_of(const std::string& axis, const FamiliarityMetric& file, const FamiliarityConfig& config, const VitConfig& encoder) {
  if (axis == "images") return {"familiar", "novel"};
  if (axis == "epoch") return number_labels(file.needs.every_manifold_epoch ? config.fine : config.coarse);
  if (axis == "layer") return counted_labels(0, encoder.depth);
  if (axis == "head") return counted_labels(0, encoder.heads);
  if (axis == "readout") return measured_readouts(config, encoder);
  if (axis == "rank") return ranks();
  auto levels = number_labels(config.noise.levels);
  if (file.needs.above_zero) levels.erase(levels.begin());
  return levels;
}

}  // namespace

std::vector<std::string> measured_readouts(const FamiliarityConfig& config, const VitConfig& encoder) {
  std::vector<std::string> out;
  for (const auto& name : read_out_names()) {
    const bool there = encoder.class_token || find_read_out(name).tokens != ReadOut::kClass;
    if (there && std::ranges::count(config.readouts, name) > 0) out.push_back(name);
  }
  if (out.empty()) throw InputError("evaluation.readouts names the class token alone, which these slow weights have not. Write [\"mean\"], or leave the key out.");
  return out;
}

std::vector<Axis> familiarity_axes(const FamiliarityMetric& file, const MetricInfo& metric, const FamiliarityConfig& config, const VitConfig& encoder) {
  std::vector<Axis> out;
  for (const auto& axis : metric.axes) out.push_back({axis, labels_of(axis, file, config, encoder)});
  return out;
}

// What a metric compares with other images of the set.
bool needs_other_images(const std::string& metric, const FamiliarityConfig& config) {
  return metric.starts_with("manifold.") || metric == "alignment.other" || metric == "alignment.specificity" || (metric == "alignment.centred" && !config.centre_on_reference);
}

// Distances to other images are what the manifold's are relative to, and of the class token there are none before the first block: what is left is rounding.
std::vector<DeclaredMetric::Hole> holes_of(const std::string& metric, const FamiliarityConfig& config, const VitConfig& encoder) {
  if (config.count == 1 && needs_other_images(metric, config)) return {{{}, "images.count is 1, so there is no other image"}};
  if (!metric.starts_with("manifold.") || metric == "manifold.signal" || std::ranges::count(measured_readouts(config, encoder), "cls_input") == 0) return {};
  return {{{{"layer", "0"}, {"readout", "cls_input"}}, "the class token that the first block receives is the same for every image"}};
}

std::vector<Axis> loss_axes(const FamiliarityConfig& config) { return {{"step", counted_labels(1, config.all_steps())}}; }

std::vector<DeclaredMetric> declare_familiarity(const Settings& settings) {
  const auto config = parse_familiarity(settings);
  const auto slow = shared_slow_weights(config);
  std::vector<DeclaredMetric> out = {{"loss", loss_axes(config), ""}};
  for (const auto* file : familiarity_metric_files())
    for (const auto& value : file->values) {
      std::string absent;
      if (!is_chosen(config.metrics, value.name)) absent = "evaluation.metrics does not name it";
      else if (file->needs.figures && config.start_file.empty() && !shared_images(settings)->has_masks()) absent = "the images have no masks: give images.masks";
      else if (file->needs.heads && !config.heads) absent = "attention.heads is false";
      else if (file->needs.reference && config.reference == 0) absent = "alignment.reference is 0";
      out.push_back({value.name, familiarity_axes(*file, value, config, slow->config), absent, holes_of(value.name, config, slow->config)});
    }
  return out;
}

}  // namespace palimpsest
