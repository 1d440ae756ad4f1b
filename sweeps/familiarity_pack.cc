// A pack of familiarity runs: what they start from, a step of training, an evaluation. R runs, I images, V variants, L layers, Q read-outs, C width.

#include "sweeps/familiarity_pack.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "runtime/device.h"
#include "sweeps/familiarity_axes.h"
#include "sweeps/knock_out.h"
#include "sweeps/manifold.h"

namespace palimpsest {
namespace {

std::vector<std::size_t> those(std::size_t count, const auto& holds) {
  std::vector<std::size_t> out;
  for (std::size_t run = 0; run < count; ++run)
    if (holds(run)) out.push_back(run);
  return out;
}

// Each run's own of images [R, I, ...]: those that `chosen` [R, n] names.
at::Tensor images_at(const at::Tensor& images, const at::Tensor& chosen) {
  std::vector<at::Tensor> all;
  for (std::int64_t run = 0; run < images.size(0); ++run) all.push_back(images[run].index_select(0, chosen[run].to(images.device())));
  return at::stack(all);
}

}  // namespace

FamiliarityPack::FamiliarityPack(const std::vector<RunSpec>& runs)
    : runs_(runs),
      config_(parse_familiarity(runs_.front().settings)),
      configs_(configs()),
      read_out_(runs_.front().settings.string("slow.readout")),
      starts_(starts()),
      training_(runs_, configs_, *starts_.front().slow, compute_device()),
      metrics_(chosen_metrics(config_.metrics)) {
  const auto stack = [&](auto member) {
    std::vector<at::Tensor> all;
    for (const auto& start : starts_) all.push_back(member(start));
    return all.front().defined() ? at::stack(all).to(compute_device()) : at::Tensor();
  };
  shown_[kFamiliar] = stack([](const FamiliarityStart& start) { return start.familiar; });
  shown_[kNovel] = stack([](const FamiliarityStart& start) { return start.novel; });
  for (const auto set : {kFamiliar, kNovel}) figure_[set] = stack([set](const FamiliarityStart& start) { return start.figure[set]; });
  reference_ = stack([](const FamiliarityStart& start) { return start.reference; });
  reference_figure_ = stack([](const FamiliarityStart& start) { return start.reference_figure; });
  training_.record_steps(step_recorder(compute_device()));
  if (config_.test_swapped) other_.emplace(runs_, configs_, *starts_.front().slow, compute_device()).record_steps(step_recorder(compute_device()));
  losses_ = at::full({size(), epochs() * config_.steps_per_epoch}, std::nan(""));
  failed_at_.assign(runs.size(), 0);
  seconds_.assign(runs.size(), 0);
  for (const auto& start : starts_)
    for (const auto set : {kFamiliar, kNovel}) figures_of_[set].push_back(start.figures[set]);
}

std::int64_t FamiliarityPack::epochs() const {
  std::int64_t most = 0;
  for (const auto& config : configs_) most = std::max(most, config.all_epochs());
  return most;
}

void FamiliarityPack::train(std::int64_t epoch) {
  const auto set = config_.second_epochs == 0 || epoch <= config_.epochs ? kFamiliar : kNovel;
  learn(training_, set, epoch, &losses_);
  if (other_) learn(*other_, set == kFamiliar ? kNovel : kFamiliar, epoch, nullptr);
}

void FamiliarityPack::learn(FamiliarityTraining& training, Set set, std::int64_t epoch, at::Tensor* losses) {
  const auto shown = learned(set, epoch), target = clean(set), chosen = batches(epoch);
  for (std::int64_t batch = 0; batch < config_.steps_per_epoch; ++batch) {
    if (batch > 0 && should_stop()) throw Interrupted("stopped within an epoch; it is made again");   // a recorded step asks nobody
    const auto step = (epoch - 1) * config_.steps_per_epoch + batch + 1;
    const auto part = [&](const at::Tensor& images) { return chosen.defined() ? images_at(images, chosen.select(1, batch)) : images; };
    const auto loss = training.step(part(shown), part(target), step).to(at::kCPU);   // one copy for all runs
    note_failures(loss, step);
    if (losses) losses->select(1, step - 1).copy_(loss);
  }
  training.end_epoch(epoch);
}

// The images of each batch of an epoch, [R, batches, I / batches]; undefined where one batch has all.
at::Tensor FamiliarityPack::batches(std::int64_t epoch) const {
  if (config_.steps_per_epoch == 1) return {};
  std::vector<at::Tensor> all;
  for (const auto& run : runs_) all.push_back(at::tensor(stream_of(run, "order", epoch).permutation(config_.count), at::kLong));
  return at::stack(all).view({size(), config_.steps_per_epoch, -1});
}

void FamiliarityPack::evaluate_first() { evaluate(config_.coarse.front()); }

void FamiliarityPack::evaluate(std::int64_t epoch) {
  const c10::InferenceMode no_gradient;
  const bool coarse = std::ranges::binary_search(config_.coarse, epoch),
             fine = std::ranges::binary_search(config_.fine, epoch);
  if (!coarse && !fine) return;
  const auto taken = [&](const FamiliarityMetric& metric, Set set) {
    const auto& needs = metric.needs;
    return (needs.every_manifold_epoch ? fine : coarse) && (!needs.figures || std::ranges::any_of(starts_, has_figures)) && (!needs.familiar_only || set == kFamiliar) &&
           (!needs.reference || reference_.defined()) && (!needs.heads || config_.heads);
  };
  std::vector<Taken> all;   // put down at the end: an evaluation that is left half way leaves nothing
  std::optional<SwappedFastWeights> swapped;
  if (other_) swapped.emplace(training_.network(), other_->network());
  const KnockOut tested(training_.network(), configs_);
  const auto reference = coarse && reference_.defined() ? reference_responses() : at::Tensor();   // [R, Q, L, n, C]
  const auto probes = probes_at(epoch);
  for (const auto set : {kFamiliar, kNovel}) {
    Wanted needed;
    for (const auto* metric : metrics_)
      if (taken(*metric, set)) needed.features = true, needed.maps |= metric->needs.maps, needed.heads |= metric->needs.heads, needed.rebuilt |= metric->needs.rebuilt;
    if (!needed.features) continue;
    needed.readouts = readouts(), needed.figure = figure_[set];
    auto seen = look(set, needed, reference);
    seen.probes = &probes;
    for (const auto* metric : metrics_)
      if (taken(*metric, set)) {
        if (should_stop()) throw Interrupted("stopped within an evaluation; it is made again");
        all.push_back({set, metric->measure(seen), metric->needs.every_manifold_epoch ? &fine_ : &coarse_});
      }
  }
  for (const auto& one : all) add(one.set, one.values, *one.course);
}

void FamiliarityPack::share_time(double seconds) {
  for (auto& own : seconds_) own += seconds / static_cast<double>(runs_.size());
}

std::vector<std::size_t> FamiliarityPack::failed() const { return those(count(), [&](std::size_t run) { return failed_at_[run] > 0; }); }

std::vector<std::size_t> FamiliarityPack::finished(std::int64_t epoch) const {
  return those(count(), [&](std::size_t run) { return configs_[run].all_epochs() == epoch; });
}

void FamiliarityPack::remove(const std::vector<std::size_t>& runs) {
  if (runs.empty()) return;
  std::vector<std::int64_t> rest;
  for (std::int64_t r = 0; r < size(); ++r)
    if (std::ranges::find(runs, static_cast<std::size_t>(r)) == runs.end()) rest.push_back(r);
  const auto keep = [&]<class T>(std::vector<T>& values) {
    std::vector<T> kept;
    for (const auto r : rest) kept.push_back(std::move(values[static_cast<std::size_t>(r)]));
    values = std::move(kept);
  };
  keep(runs_), keep(configs_), keep(starts_), keep(failed_at_), keep(seconds_);
  for (auto& figures : figures_of_) keep(figures);
  if (rest.empty()) return;
  training_.keep_runs(rest);
  if (other_) other_->keep_runs(rest);
  const auto places = at::tensor(rest, at::kLong);
  for (auto* own : {&shown_[kFamiliar], &shown_[kNovel], &figure_[kFamiliar], &figure_[kNovel], &reference_, &reference_figure_, &losses_, &first_pictures_, &first_attention_})
    if (own->defined()) *own = own->index_select(0, places.to(own->device()));
  for (auto* course : {&coarse_, &fine_})
    for (auto& [metric, by_set] : *course)
      for (auto& epochs : by_set)
        for (auto& values : epochs) values = values.index_select(0, places);
}

// Familiar images under the first pattern of the level nearest to 30 %: variants are level by level. [R, I, 3, S, S]
at::Tensor FamiliarityPack::noisy() const {
  std::size_t nearest = config_.noise.levels.size() > 1 ? 1 : 0;
  for (std::size_t level = 1; level < config_.noise.levels.size(); ++level)
    if (std::abs(config_.noise.levels[level] - 0.3) < std::abs(config_.noise.levels[nearest] - 0.3)) nearest = level;
  return shown_[kFamiliar].select(1, nearest == 0 ? 0 : 1 + (static_cast<std::int64_t>(nearest) - 1) * config_.noise.patterns);
}

std::vector<FamiliarityConfig> FamiliarityPack::configs() const {
  std::vector<FamiliarityConfig> out;
  for (const auto& run : runs_) out.push_back(parse_familiarity(run.settings));
  return out;
}

std::vector<FamiliarityStart> FamiliarityPack::starts() const {
  std::vector<FamiliarityStart> out;
  for (std::size_t r = 0; r < runs_.size(); ++r) out.push_back(start_of(runs_[r], configs_[r]));
  return out;
}

// What the network is shown when it learns: the clean images, or noise of the epoch over them. [R, I, 3, S, S]
at::Tensor FamiliarityPack::learned(Set set, std::int64_t epoch) const {
  if (std::ranges::all_of(configs_, [](const auto& c) { return c.training_noise == 0; })) return clean(set);
  std::vector<at::Tensor> all;
  for (std::size_t r = 0; r < runs_.size(); ++r)
    all.push_back(configs_[r].training_noise == 0
                      ? clean(set)[static_cast<std::int64_t>(r)]
                      : training_images(runs_[r], configs_[r], set, stream_of(runs_[r], "training noise", epoch)).to(compute_device()));
  return at::stack(all);
}

std::vector<ReadOut> FamiliarityPack::readouts() const {
  std::vector<ReadOut> out;
  for (const auto& name : measured_readouts(config_, encoder())) out.push_back(find_read_out(name));
  return out;
}

void FamiliarityPack::note_failures(const at::Tensor& loss, std::int64_t step) {
  for (std::int64_t r = 0; r < size(); ++r)
    if (failed_at_[r] == 0 && !std::isfinite(loss[r].item<float>())) failed_at_[r] = step;
}

bool FamiliarityPack::is_finite(std::size_t run) const { return training_.is_finite(run) && (!other_ || other_->is_finite(run)); }

at::Tensor FamiliarityPack::reference_responses() const {
  const Wanted needed{.features = true, .readouts = readouts(), .figure = reference_figure_};
  return evoked(training_.network(), reference_.unsqueeze(1), needed).features.select(3, 0);
}

// What the probes of each run draw their first values from.
std::vector<RandomStream> FamiliarityPack::probes_at(std::int64_t epoch) const {
  std::vector<RandomStream> out;
  for (std::size_t r = 0; r < runs_.size(); ++r) {
    const auto stream = stream_of(runs_[r], "probes");
    out.push_back(config_.probes_begin_alike ? stream : after_adapters(stream, configs_[r]).child(static_cast<std::uint64_t>(epoch)));
  }
  return out;
}

Seen FamiliarityPack::look(Set set, const Wanted& needed, const at::Tensor& reference) const {
  const auto heard = evoked(training_.network(), shown_[set], needed);
  const auto levels = static_cast<std::int64_t>(config_.noise.levels.size()), patterns = config_.noise.patterns;
  Seen seen;
  seen.features = by_level(heard.features, levels, patterns);
  if (needed.maps) seen.maps = by_level(heard.maps, levels, patterns);
  if (needed.heads) seen.head_maps = by_level(heard.head_maps, levels, patterns), seen.heads = encoder().heads;
  seen.rebuilt = heard.rebuilt;
  seen.clean = clean(set).to(at::kCPU);
  seen.reference = reference;
  if (reference.defined() && config_.centre_on_reference) seen.centre = reference.transpose(3, 4).contiguous().mean(-1);
  seen.figures = &figures_of_[set];
  seen.probes_begin_alike = config_.probes_begin_alike;
  seen.mean = encoder().mean, seen.sd = encoder().sd;
  seen.grid = encoder().grid();
  seen.side = encoder().side;
  seen.unbiased = config_.unbiased;
  seen.leave_out = config_.leave_out;
  return seen;
}

// Keeps what was asked for of it.
void FamiliarityPack::add(Set set, const MetricValues& values, Course& course) {
  for (const auto& [metric, tensor] : values) {
    if (!is_chosen(config_.metrics, metric)) continue;
    auto& by_set = course[metric];
    by_set.resize(2);
    by_set[set].push_back(tensor);
  }
}

}  // namespace palimpsest
