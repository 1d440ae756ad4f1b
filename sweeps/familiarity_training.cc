#include "sweeps/familiarity_training.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sweeps/familiarity_evoked.h"
#include "sweeps/familiarity_start.h"

namespace palimpsest {

RandomStream stream_of(const RunSpec& run, std::string_view name) {
  return RandomStream(static_cast<std::uint64_t>(run.seed)).child(purpose(name));
}
RandomStream stream_of(const RunSpec& run, std::string_view name, std::int64_t time) {
  return stream_of(run, name).child(static_cast<std::uint64_t>(time));
}

RandomStream after_adapters(const RandomStream& stream, const FamiliarityConfig& config) {
  if (config.form.qkv != Qkv::kAdapter) return stream;
  return stream.child(purpose(fmt::format("after adapters of rank {} on {} of blocks {}", config.rank, fmt::join(config.form.targets, ", "), config.layers)));
}

namespace {

FamiliarityLoss loss_of(const FamiliarityConfig& common, const SlowWeights& slow, at::Device device) {
  const auto layers = common.loss.features > 0 ? layers_of(common.loss.feature_layers, slow.config.depth, "loss.feature_layers") : std::vector<std::int64_t>{};
  return {slow, layers, common.double_projection, device};
}

at::Device device_for(const FamiliarityConfig& common, at::Device device) {
  refuse_tf32_on_cpu("training.precision", common.precision, device);
  return device;
}

}  // namespace

FamiliarityTraining::FamiliarityTraining(const std::vector<RunSpec>& runs, const std::vector<FamiliarityConfig>& configs, const SlowWeights& slow, at::Device device)
    : runs_(runs),
      configs_(configs),
      device_(device_for(configs.front(), device)),
      network_(built(slow)),
      loss_(loss_of(configs.front(), slow, device)),
      fast_(find_learning_rule(configs.front().rule).build(network_.fast, options(&FamiliarityConfig::fast_rate))),
      rest_(find_learning_rule(configs.front().optimizer).build(network_.rest, options(&FamiliarityConfig::learning_rate))) {}

FastNetwork FamiliarityTraining::built(const SlowWeights& slow) const {
  std::vector<FastConfig> fast;
  for (std::size_t r = 0; r < runs_.size(); ++r) {
    const auto decoder = stream_of(runs_[r], "decoder");
    fast.push_back({configs_[r].rank, configs_[r].scale, configs_[r].first_values, layers_of(configs_[r].layers, slow.config.depth),
                    stream_of(runs_[r], "adapters"), configs_[r].decoders_begin_alike ? decoder : after_adapters(decoder, configs_[r])});
  }
  const auto& common = configs_.front();
  auto made = build_fast_network(slow, familiarity_decoder(runs_.front().settings, slow), common.form, fast, device_);
  made.encoder.set_double_projection(common.double_projection);
  if (!common.start_file.empty()) load_start_file(made, common);
  return made;
}

RuleOptions FamiliarityTraining::options(double FamiliarityConfig::*rate) const {
  RuleOptions out;
  for (const auto& config : configs_) {
    out.rate.push_back(config.*rate);
    out.weight_decay.push_back(config.weight_decay);
    out.ridge.push_back(config.ridge);
  }
  return out;
}

std::vector<RandomStream> FamiliarityTraining::streams(std::string_view purpose, std::int64_t step) const {
  std::vector<RandomStream> out;
  for (const auto& run : runs_) out.push_back(stream_of(run, purpose, step));
  return out;
}

std::vector<at::Tensor*> FamiliarityTraining::Inputs::tensors() {
  std::vector<at::Tensor*> out = {&shown, &target};
  for (auto* one : loss.tensors()) out.push_back(one);
  return out;
}

bool FamiliarityTraining::can_be_recorded() const {
  const bool quiet = std::ranges::all_of(configs_, [](const auto& c) { return c.gradient_noise == 0; });
  return quiet && (!configs_.front().adapts() || fast_->can_be_recorded()) && rest_->can_be_recorded();
}

void FamiliarityTraining::record_steps(std::unique_ptr<StepRecorder> recorder) {
  if (can_be_recorded()) graph_ = StepGraph(std::move(recorder));
}

void FamiliarityTraining::take(Inputs inputs) {
  const bool fixed = graph_.records() && inputs_.shown.defined();
  const auto from = inputs.tensors(), to = inputs_.tensors();
  for (std::size_t i = 0; fixed && i < from.size(); ++i)
    if (from[i]->defined()) to[i]->copy_(*from[i]);
  if (fixed) return;
  inputs_ = std::move(inputs);
  if (!graph_.records()) return;
  for (auto* one : inputs_.tensors())
    if (one->defined()) *one = one->clone();
}

at::Tensor FamiliarityTraining::step(const at::Tensor& shown, const at::Tensor& target, std::int64_t step) {
  std::vector<LossConfig> terms;
  for (const auto& config : configs_) terms.push_back(config.loss);
  take({shown, target, loss_inputs(network_, terms, shown.size(1), {streams("dropout", step), streams("masked dropout", step), streams("masks", step)})});
  for (auto* rule : {fast_.get(), rest_.get()}) rule->prepare();
  graph_.run([this, step] { compute(step); });
  for (auto* rule : {fast_.get(), rest_.get()}) rule->count();
  if (!graph_.records()) inputs_ = {};   // what is measured next needs their memory
  return losses_;
}

// What may be recorded: it takes nothing from the host, but `step` where gradients have noise.
void FamiliarityTraining::compute(std::int64_t step) {
  const auto& common = configs_.front();
  const PrecisionScope precision(common.precision);
  std::vector<Activity> activity;
  if (!common.form.by_gradient && common.adapts())
    network_.encoder.set_observer([&](const Adapter& fast, const at::Tensor& x, const at::Tensor& slow) {
      if (activity.size() < network_.maps.size()) activity.push_back({fast, x.detach(), slow.detach()});   // of the first pass of a loss of several
    });
  const auto loss = loss_(network_, common.loss, inputs_.shown, inputs_.target, inputs_.loss);
  network_.encoder.set_observer({});
  fast_->zero_grad();
  rest_->zero_grad();
  if (loss.requires_grad()) loss.backward(at::ones_like(loss));  // each run's own: no sum over runs
  add_gradient_noise(step);
  fast_->apply(activity);
  rest_->apply({});
  losses_ = loss.detach();
}

void FamiliarityTraining::keep_runs(const std::vector<std::int64_t>& runs) {
  graph_.forget();
  inputs_ = {};
  losses_ = at::Tensor();
  palimpsest::keep_runs(network_, runs);
  fast_->keep_runs(runs);
  rest_->keep_runs(runs);
}

bool FamiliarityTraining::is_finite(std::size_t run) const {
  const auto finite = [&](const at::Tensor& own) { return std::isfinite(own.detach()[static_cast<std::int64_t>(run)].sum().item<float>()); };
  for (const auto* slots : {&network_.fast, &network_.rest})
    if (!std::ranges::all_of(*slots, [&](const auto& slot) { return finite(slot.value); })) return false;
  return std::ranges::all_of(network_.maps, [&](const FastMap& map) {   // written by a local rule, they are in no slot
    const auto& b = network_.encoder.adapter(map.layer, map.target)->b;
    return !b.defined() || finite(b);
  });
}

// Normal noise on each run's gradients, relative to their root mean square.
void FamiliarityTraining::add_gradient_noise(std::int64_t step) {
  if (std::ranges::all_of(configs_, [](const auto& c) { return c.gradient_noise == 0; })) return;
  std::uint64_t place = 0;
  for (auto* slots : {&network_.fast, &network_.rest})
    for (auto& slot : *slots) {
      ++place;
      if (!slot.value.grad().defined()) continue;
      for (std::size_t r = 0; r < runs_.size(); ++r) {
        if (configs_[r].gradient_noise == 0) continue;
        auto gradient = slot.value.grad()[static_cast<std::int64_t>(r)];
        auto normal = at::empty(gradient.sizes());
        stream_of(runs_[r], "gradient noise", step).child(place).fill_normal(normal.data_ptr<float>(), normal.numel());
        gradient.add_(normal.to(gradient.device()) * gradient.flatten().square().mean().sqrt(), configs_[r].gradient_noise);
      }
    }
}

void FamiliarityTraining::end_epoch(std::int64_t epoch) {
  auto keep = at::ones({size()}), due = at::zeros({size()});
  bool forgets = false, consolidates = false;
  for (std::int64_t r = 0; r < size(); ++r) {
    const auto& config = configs_[static_cast<std::size_t>(r)];
    if (config.fading > 0) keep[r] = 1.0 - config.fading, forgets = true;
    if (config.consolidate_every > 0 && epoch % config.consolidate_every == 0) due[r] = 1, consolidates = true;
  }
  if (forgets) fade(network_, keep);
  if (consolidates) consolidate(network_, due);
}

}  // namespace palimpsest
