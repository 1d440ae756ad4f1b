// What a pack of familiarity runs gives away: results, trained networks, pictures.

#include <cmath>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include "models/kept_adapters.h"
#include "models/trained_network.h"
#include "runtime/durable_file.h"
#include "runtime/tensor_file.h"
#include "sweeps/attention_picture.h"
#include "sweeps/familiarity_axes.h"
#include "sweeps/familiarity_pack.h"
#include "sweeps/kept_networks.h"
#include "sweeps/region.h"

namespace palimpsest {
namespace {

Measurement measurement(const std::string& metric, std::vector<Axis> axes, const at::Tensor& values) {
  const auto flat = values.to(at::kFloat).contiguous();
  return {metric, std::move(axes), {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()}};
}

Measurement with_holes(Measurement measured, const std::vector<DeclaredMetric::Hole>& holes) {
  for (const auto& hole : holes) leave_out(measured, hole.at);
  return measured;
}

}  // namespace

RunResult FamiliarityPack::result(std::size_t run) const {
  RunResult out{runs_[run].id, "", {}, {}, seconds_[run]};
  const auto& config = configs_[run];
  const auto step = failed_at_[run] ? failed_at_[run] : is_finite(run) ? 0 : config.all_steps();
  if (step) {
    out.failure = fmt::format("the loss is not finite at step {}; a lower training.learning_rate may help", step);
    return out;
  }
  out.measurements.push_back(
      measurement("loss", loss_axes(config), losses_of(run)));
  for (const auto* course : {&coarse_, &fine_})
    for (const auto& [metric, by_set] : *course) {
      const auto of_run = [&](Set set) { return at::stack(by_set[set]).select(1, static_cast<std::int64_t>(run)); };   // [epoch, ...]
      const auto& file = file_of(metric);
      if (file.needs.figures && !has_figures(starts_[run])) continue;
      const auto& info = *std::ranges::find(file.values, metric, &MetricInfo::name);
      const bool both = info.axes.front() == "images";
      const auto own = both ? at::stack({of_run(kFamiliar), of_run(kNovel)}) : of_run(kFamiliar);
      out.measurements.push_back(with_holes(measurement(metric, familiarity_axes(file, info, config, encoder()), own), holes_of(metric, config, encoder())));
    }
  return out;
}

void FamiliarityPack::keep_network(std::size_t run) const {
  const auto& config = configs_[run];
  const auto file = config.keep ? kept_file(*config.keep, runs_[run].id) : std::filesystem::path();
  if (file.empty()) return;
  prepare_folder(file.parent_path());
  if (config.keep == Kept::kTrained) return write_network(run, file);
  const auto network = network_of(run);
  const auto& under = config.start_file.empty() ? config.slow_weights : config.start_file;
  if (!network.adapters.empty()) write_adapters_alone(file, network, {under, starts_[run].slow->metadata.at("content"), !config.changes_encoder()});
}

void FamiliarityPack::write_network(std::size_t run, const std::filesystem::path& file) const { write_adapted_weights(file, network_of(run)); }

AdaptedWeights FamiliarityPack::network_of(std::size_t run) const {
  const auto& config = configs_[run];
  auto trained = trained_network(training_.network(), *starts_[run].slow, static_cast<std::int64_t>(run), config.rank);
  trained.slow.metadata.erase("content");  // of the file that training began with
  trained.slow.metadata["run"] = runs_[run].id;
  if (config.loss.normalise_target) trained.slow.metadata["normalised_pixels"] = "true";
  if (config.double_projection) trained.slow.metadata["double_projection"] = "true";
  return trained;
}

at::Tensor FamiliarityPack::reconstructions() const {
  const c10::InferenceMode no_gradient;
  return rebuilt(training_.network(), at::cat({clean(kFamiliar), clean(kNovel)}, 1)).to(at::kCPU, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
}

at::Tensor FamiliarityPack::attention() const {
  const c10::InferenceMode no_gradient;
  Wanted wanted{.features = true, .maps = true, .readouts = {find_read_out(read_out_)}, .figure = figure_[kFamiliar]};
  if (wanted.readouts.front().tokens == ReadOut::kClass && !encoder().class_token) wanted.readouts = {ReadOut{}};
  const auto shown = at::stack({clean(kFamiliar), noisy()}, 1);
  return evoked(training_.network(), shown, wanted).maps.select(1, 0).select(1, encoder().depth - 1);
}

void FamiliarityPack::take_first_pictures_of(const FamiliarityPack& untrained) {
  first_pictures_ = untrained.reconstructions();
  first_attention_ = untrained.attention();
}

Attachment FamiliarityPack::attention_over_images(std::size_t run, const at::Tensor& now) const {
  const auto r = static_cast<std::int64_t>(run);
  const auto plain = clean(kFamiliar)[r].to(at::kCPU), changed = noisy()[r].to(at::kCPU);
  return {"attention in the last layer; rows: before learning, after it, both again under noise", "image/png",
          encode_png(attention_picture({{plain, first_attention_[r][0]}, {plain, now[r][0]}, {changed, first_attention_[r][1]}, {changed, now[r][1]}},
                                       starts_[run].masks))};
}

Attachment FamiliarityPack::picture(std::size_t run, const at::Tensor& now) const {
  const auto r = static_cast<std::int64_t>(run);
  const auto originals = at::cat({clean(kFamiliar), clean(kNovel)}, 1)[r].to(at::kCPU);
  const auto row = [](const at::Tensor& images) { return at::cat(images.unbind(0), 2); };
  const auto grid = at::cat({row(originals), row(first_pictures_[r]), row(now[r])}, 1);
  return {"reconstruction; rows: the images (familiar, then novel), rebuilt before learning, rebuilt after it", "image/png", encode_png(to_image(grid))};
}

// [steps], a view
at::Tensor FamiliarityPack::losses_of(std::size_t run) const { return losses_[static_cast<std::int64_t>(run)].slice(0, 0, configs_[run].all_steps()); }

const FamiliarityMetric& FamiliarityPack::file_of(const std::string& metric) const {
  for (const auto* file : metrics_)
    if (std::ranges::any_of(file->values, [&](const auto& value) { return value.name == metric; })) return *file;
  throw std::logic_error("a measurement without its entry: " + metric);
}

}  // namespace palimpsest
