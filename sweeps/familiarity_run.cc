// A pack of familiarity runs, from first values to measurements. R runs, I images, V variants, T tokens, C width, L
// layers.

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include "models/learning_rule.h"
#include "runtime/tensor_file.h"
#include "sweeps/familiarity_axes.h"
#include "sweeps/familiarity_metric.h"
#include "sweeps/familiarity_start.h"
#include "sweeps/manifold.h"

namespace palimpsest {
namespace {

// Images of one pass through the encoder: few, so that what a block makes of them stays in the cache, whatever the
// pack.
constexpr std::int64_t kImagesPerPass = 4;

enum Set { kFamiliar, kNovel };
// Large blocks go back to the heap, not to the system: each step asks for the same ones again.
void keep_heap() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

class Pack {
 public:
  Pack(const std::vector<RunSpec>& runs)
      : runs_(runs),
        config_(parse_familiarity(runs.front().settings)),
        configs_(configs()),
        starts_(starts()),
        network_(network()),
        fast_(find_learning_rule(config_.rule).build(network_.fast, fast_options())),
        rest_(find_learning_rule(config_.optimizer).build(network_.rest, rest_options())),
        metrics_(chosen_metrics(config_.metrics)) {
    const auto stack = [&](auto member) {
      std::vector<at::Tensor> all;
      for (const auto& start : starts_) all.push_back(start.*member);
      return at::stack(all);
    };
    shown_[kFamiliar] = stack(&FamiliarityStart::familiar);
    shown_[kNovel] = stack(&FamiliarityStart::novel);
    if (starts_.front().reference.defined()) reference_ = stack(&FamiliarityStart::reference);
    losses_ = at::full({size(), config_.all_epochs()}, std::nan(""));
    failed_at_.assign(runs.size(), 0);
    for (const auto& start : starts_)
      for (const auto set : {kFamiliar, kNovel}) figures_of_[set].push_back(start.figures[set]);
    for (const auto& run : runs) probes_.push_back(seed_of(run).child(purpose("probes")));
  }

  std::int64_t epochs() const { return config_.all_epochs(); }

  // One optimizer step on the clean images of the set that is learned now, all in one batch.
  void train(std::int64_t epoch) {
    const auto set = epoch <= config_.epochs ? kFamiliar : kNovel;
    std::vector<Activity> activity;
    if (!config_.form.by_gradient && config_.adapts())
      network_.encoder.set_observer([&](const Adapter& fast, const at::Tensor& x, const at::Tensor& slow) {
        activity.push_back({fast, x.detach(), slow.detach()});
      });
    const auto output = decode(encode(learned(set, epoch)), streams("dropout", epoch));
    network_.encoder.set_observer({});
    const auto loss = pixel_loss(at::sigmoid(output), pixel_patches(clean(set), network_.encoder.config().patch), config_.l1);
    fast_->zero_grad();
    rest_->zero_grad();
    if (loss.requires_grad()) loss.backward(at::ones_like(loss));  // each run's own: no sum over runs
    add_gradient_noise(epoch);
    fast_->step(activity);
    rest_->step({});
    forget_and_consolidate(epoch);
    losses_.select(1, epoch - 1).copy_(loss.detach());
    for (std::int64_t r = 0; r < size(); ++r)
      if (failed_at_[r] == 0 && !std::isfinite(losses_[r][epoch - 1].item<float>())) failed_at_[r] = epoch;
  }

  // The first evaluation of the schedule: the memory probe's.
  void evaluate_first() { evaluate(config_.coarse.front()); }

  void evaluate(std::int64_t epoch) {
    const c10::InferenceMode no_gradient;
    const bool coarse = std::ranges::binary_search(config_.coarse, epoch),
               fine = std::ranges::binary_search(config_.fine, epoch);
    if (!coarse && !fine) return;
    const auto taken = [&](const FamiliarityMetric& metric, Set set) {
      const auto& needs = metric.needs;
      return (needs.every_manifold_epoch ? fine : coarse) && (!needs.figures || std::ranges::any_of(starts_, has_figures)) && (!needs.familiar_only || set == kFamiliar) &&
             (!needs.reference || reference_.defined());
    };
    const Tested tested(*this);
    const auto reference = coarse && reference_.defined() ? reference_responses() : at::Tensor();   // [R, Q, L, n, C]
    for (const auto set : {kFamiliar, kNovel}) {
      Needed needed;
      for (const auto* metric : metrics_)
        if (taken(*metric, set)) needed.features = true, needed.maps |= metric->needs.maps, needed.rebuilt |= metric->needs.rebuilt;
      if (!needed.features) continue;
      const auto seen = look(set, needed, reference);
      for (const auto* metric : metrics_)
        if (taken(*metric, set)) add(set, metric->measure(seen), metric->needs.every_manifold_epoch ? fine_ : coarse_);
    }
  }

  // Reconstructions of the clean images of both sets, [R, 2 I, 3, S, S].
  at::Tensor reconstructions() const {
    const c10::InferenceMode no_gradient;
    const auto output = decode(encode(at::cat({clean(kFamiliar), clean(kNovel)}, 1)), {});
    return unpatchify(at::sigmoid(output), network_.encoder.config().patch).clone();
  }

  RunResult result(std::size_t run, double seconds) const {
    RunResult out{runs_[run].id, "", {}, {}, seconds};
    const auto step = failed_at_[run] ? failed_at_[run] : finite(run) ? 0 : epochs();
    if (step) {
      out.failure = fmt::format("the loss is not finite at step {}; a lower training.learning_rate may help", step);
      return out;
    }
    out.measurements.push_back(measurement("loss", loss_axes(config_), losses_[static_cast<std::int64_t>(run)]));
    for (const auto* course : {&coarse_, &fine_})
      for (const auto& [metric, by_set] : *course) {
        const auto of_run = [&](Set set) { return at::stack(by_set[set]).select(1, static_cast<std::int64_t>(run)); };   // [epoch, ...]
        const auto& file = file_of(metric);
        if (file.needs.figures && !has_figures(starts_[run])) continue;
        const auto& info = *std::ranges::find(file.values, metric, &MetricInfo::name);
        const bool both = info.axes.front() == "images";
        const auto own = both ? at::stack({of_run(kFamiliar), of_run(kNovel)}) : of_run(kFamiliar);
        out.measurements.push_back(measurement(metric, familiarity_axes(file, info, config_, network_.encoder.config()), own));
      }
    return out;
  }

  // Rows: the images, their reconstruction before and after training; familiar ones left, novel ones right.
  Attachment picture(std::size_t run, const at::Tensor& before, const at::Tensor& after) const {
    const auto r = static_cast<std::int64_t>(run);
    const auto originals = at::cat({clean(kFamiliar), clean(kNovel)}, 1)[r];
    const auto row = [](const at::Tensor& images) { return at::cat(images.unbind(0), 2); };
    const auto grid = at::cat({row(originals), row(before[r]), row(after[r])}, 1);
    return {"reconstruction.png", "image/png", encode_png(to_image(grid))};
  }

 private:
  using Course =
      std::map<std::string, std::vector<std::vector<at::Tensor>>>;  // metric -> set -> one tensor [R, ...] an epoch

  std::int64_t size() const { return static_cast<std::int64_t>(runs_.size()); }
  at::Tensor clean(Set set) const { return shown_[set].select(1, 0); }  // [R, I, 3, S, S]

  struct Needed {
    bool features = false, maps = false, rebuilt = false;
  };

  // While it lives, the network is as "test.*" wants it: updates scaled or off, heads silent.
  class Tested {
   public:
    explicit Tested(Pack& pack) : pack_(pack) {
      auto& network = pack.network_;
      const auto depth = network.encoder.config().depth, heads = network.encoder.config().heads;
      for (const auto& map : network.maps) {
        auto fast = *network.encoder.adapter(map.layer, map.target);
        auto& values = fast.gain.defined() ? fast.gain : fast.scale;
        kept_.push_back(values.detach().clone());
        for (std::int64_t r = 0; r < pack.size(); ++r) {
          const auto& config = pack.configs_[static_cast<std::size_t>(r)];
          const auto off = config.test_layers_off.empty() ? std::vector<std::int64_t>{} : layers_of(config.test_layers_off, depth);
          const double gain = std::ranges::find(off, map.layer) == off.end() ? config.test_gain : 0.0;
          if (gain == 1.0) continue;
          auto own = values.detach()[r];
          if (fast.gain.defined())
            own.sub_(1.0).mul_(gain).add_(1.0);
          else
            own.mul_(gain);
        }
      }
      for (std::int64_t r = 0; r < pack.size(); ++r)
        for (const auto& [layer, head] : pack.configs_[static_cast<std::size_t>(r)].test_heads_off) {
          auto& silent = silent_[layer];
          if (!silent.defined()) silent = at::ones({pack.size(), heads});
          silent[r][head] = 0;
        }
      for (const auto& [layer, gain] : silent_) network.encoder.set_head_gain(layer, gain);
    }
    ~Tested() {
      auto& network = pack_.network_;
      for (std::size_t i = 0; i < kept_.size(); ++i) {
        auto fast = *network.encoder.adapter(network.maps[i].layer, network.maps[i].target);
        (fast.gain.defined() ? fast.gain : fast.scale).detach().copy_(kept_[i]);
      }
      for (const auto& [layer, gain] : silent_) network.encoder.set_head_gain(layer, {});
    }
    Tested(const Tested&) = delete;
    Tested& operator=(const Tested&) = delete;

   private:
    Pack& pack_;
    std::vector<at::Tensor> kept_;
    std::map<std::int64_t, at::Tensor> silent_;   // by block: [R, H]
  };

  // Whether the run's weights are numbers: its last step has no loss that would tell.
  bool finite(std::size_t run) const {
    for (const auto* slots : {&network_.fast, &network_.rest})
      for (const auto& slot : *slots)
        if (!std::isfinite(slot.value.detach()[static_cast<std::int64_t>(run)].sum().item<float>())) return false;
    for (const auto& map : network_.maps)
      if (const auto& b = network_.encoder.adapter(map.layer, map.target)->b; b.defined() && !std::isfinite(b.detach()[static_cast<std::int64_t>(run)].sum().item<float>())) return false;
    return true;
  }

  static RandomStream seed_of(const RunSpec& run) { return RandomStream(static_cast<std::uint64_t>(run.seed)); }

  // Each run's stream of an epoch.
  std::vector<RandomStream> streams(std::string_view name, std::int64_t epoch) const {
    std::vector<RandomStream> out;
    for (const auto& run : runs_) out.push_back(seed_of(run).child(purpose(name)).child(static_cast<std::uint64_t>(epoch)));
    return out;
  }

  std::vector<FamiliarityConfig> configs() const {
    std::vector<FamiliarityConfig> out;
    for (const auto& run : runs_) out.push_back(parse_familiarity(run.settings));
    return out;
  }

  std::vector<FamiliarityStart> starts() const {
    std::vector<FamiliarityStart> out;
    for (std::size_t r = 0; r < runs_.size(); ++r) out.push_back(start_of(runs_[r], configs_[r]));
    return out;
  }

  FastNetwork network() const {
    const auto& slow = *starts_.front().slow;
    std::vector<FastConfig> fast;
    for (std::size_t r = 0; r < runs_.size(); ++r) {
      const auto& config = configs_[r];
      fast.push_back({config.rank, config.scale, config.first_values, layers_of(config.layers, slow.config.depth),
                      seed_of(runs_[r]).child(purpose("adapters")), seed_of(runs_[r]).child(purpose("decoder"))});
    }
    auto made = build_fast_network(slow, familiarity_decoder(runs_.front().settings, slow.config), config_.form, fast);
    made.encoder.set_double_projection(config_.double_projection);
    if (!config_.start_file.empty()) load_start_file(made, config_);
    return made;
  }

  RuleOptions fast_options() const {
    RuleOptions options;
    for (const auto& config : configs_) {
      options.rate.push_back(config.fast_rate);
      options.weight_decay.push_back(config.weight_decay);
      options.ridge.push_back(config.ridge);
    }
    return options;
  }

  RuleOptions rest_options() const {
    auto options = fast_options();
    for (std::size_t r = 0; r < configs_.size(); ++r) options.rate[r] = configs_[r].learning_rate;
    return options;
  }

  // What the network is shown when it learns: the clean images, or noise of the epoch over them. [R, I, 3, S, S]
  at::Tensor learned(Set set, std::int64_t epoch) const {
    if (std::ranges::all_of(configs_, [](const auto& c) { return c.training_noise == 0; })) return clean(set);
    std::vector<at::Tensor> all;
    for (std::size_t r = 0; r < runs_.size(); ++r)
      all.push_back(configs_[r].training_noise == 0
                        ? clean(set)[static_cast<std::int64_t>(r)]
                        : training_images(runs_[r], configs_[r], set, streams("training noise", epoch)[r]));
    return at::stack(all);
  }

  // Normal noise on each run's gradients, relative to their root mean square.
  void add_gradient_noise(std::int64_t epoch) {
    if (std::ranges::all_of(configs_, [](const auto& c) { return c.gradient_noise == 0; })) return;
    const auto noise = streams("gradient noise", epoch);
    std::uint64_t place = 0;
    for (auto* slots : {&network_.fast, &network_.rest})
      for (auto& slot : *slots) {
        ++place;
        if (!slot.value.grad().defined()) continue;
        for (std::int64_t r = 0; r < size(); ++r) {
          const double sd = configs_[static_cast<std::size_t>(r)].gradient_noise;
          if (sd == 0) continue;
          auto gradient = slot.value.grad()[r];
          auto normal = at::empty(gradient.sizes());
          noise[static_cast<std::size_t>(r)].child(place).fill_normal(normal.data_ptr<float>(), normal.numel());
          gradient.add_(normal * gradient.flatten().square().mean().sqrt(), sd);
        }
      }
  }

  void forget_and_consolidate(std::int64_t epoch) {
    if (std::ranges::any_of(configs_, [](const auto& c) { return c.fading > 0; })) {
      auto keep = at::ones({size()});
      for (std::int64_t r = 0; r < size(); ++r) keep[r] = 1.0 - configs_[static_cast<std::size_t>(r)].fading;
      fade(network_, keep);
    }
    auto due = at::zeros({size()});
    bool any = false;
    for (std::int64_t r = 0; r < size(); ++r) {
      const auto every = configs_[static_cast<std::size_t>(r)].consolidate_every;
      if (every > 0 && epoch % every == 0) due[r] = 1, any = true;
    }
    if (any) consolidate(network_, due);
  }

  at::Tensor encode(const at::Tensor& images) const {
    auto x = network_.encoder.embed(images);
    for (std::int64_t layer = 0; layer < network_.encoder.config().depth; ++layer) x = network_.encoder.block(layer, x);
    return x;
  }

  at::Tensor decode(const at::Tensor& tokens, const std::vector<RandomStream>& drop) const {
    const auto patches = network_.encoder.config().class_token ? tokens.slice(2, 1).contiguous() : tokens;
    return network_.decoder.forward(patches, drop);
  }

  // What few images evoke: features [R, Q, L, b, C], maps [R, Q, L, b, K], reconstructions [R, b, 3, S, S].
  struct Evoked {
    at::Tensor features, maps, rebuilt;
  };

  Evoked pass(const at::Tensor& images, const Needed& needed) const {
    const auto& config = network_.encoder.config();
    const std::int64_t first_patch = config.class_token ? 1 : 0;
    std::vector<at::Tensor> features, attended;
    auto x = network_.encoder.embed(images);
    for (std::int64_t layer = 0; layer < config.depth; ++layer) {
      at::Tensor probabilities;  // [R, b, H, T, T]
      x = network_.encoder.block(layer, x, needed.maps ? &probabilities : nullptr);
      const auto mean = x.slice(2, first_patch).mean(2);
      features.push_back(config.class_token ? at::stack({x.select(2, 0), mean}, 1) : mean.unsqueeze(1));
      if (!needed.maps) continue;
      const auto over_heads = probabilities.mean(2).slice(3, first_patch);
      const auto mean_map = over_heads.slice(2, first_patch).mean(2);
      attended.push_back(config.class_token ? at::stack({over_heads.select(2, 0), mean_map}, 1)
                                            : mean_map.unsqueeze(1));
    }
    return {at::stack(features, 2), needed.maps ? at::stack(attended, 2) : at::Tensor(),
            needed.rebuilt ? unpatchify(at::sigmoid(decode(x, {})), config.patch) : at::Tensor()};
  }

  // images [R, V, I, 3, S, S] -> features, maps [R, Q, L, V, I, .] in float64, reconstructions [R, V, I, 3, S, S].
  Evoked responses(const at::Tensor& images, const Needed& needed) const {
    const auto V = images.size(1), I = images.size(2);
    const auto flat = images.flatten(1, 2);
    std::vector<Evoked> parts;
    for (std::int64_t at = 0; at < V * I; at += kImagesPerPass)
      parts.push_back(pass(flat.slice(1, at, std::min(at + kImagesPerPass, V * I)).contiguous(), needed));
    const auto joined = [&](at::Tensor Evoked::*member, std::int64_t dimension) {
      std::vector<at::Tensor> all;
      for (const auto& part : parts) all.push_back(part.*member);
      return at::cat(all, dimension);
    };
    const auto by_variant = [&](const at::Tensor& all) {   // [R, Q, L, V I, .]
      return all.to(at::kDouble).reshape({all.size(0), all.size(1), all.size(2), V, I, all.size(4)});
    };
    return {by_variant(joined(&Evoked::features, 3)), needed.maps ? by_variant(joined(&Evoked::maps, 3)) : at::Tensor(),
            needed.rebuilt ? joined(&Evoked::rebuilt, 1).view_as(images) : at::Tensor()};
  }

  at::Tensor reference_responses() const {
    return responses(reference_.unsqueeze(1), {.features = true}).features.select(3, 0);
  }

  Seen look(Set set, const Needed& needed, const at::Tensor& reference) const {
    const auto evoked = responses(shown_[set], needed);
    const auto levels = static_cast<std::int64_t>(config_.noise.levels.size()), patterns = config_.noise.patterns;
    Seen seen;
    seen.features = by_level(evoked.features, levels, patterns);
    if (needed.maps) seen.maps = by_level(evoked.maps, levels, patterns);
    seen.rebuilt = evoked.rebuilt;
    seen.clean = clean(set);
    seen.reference = reference;
    if (reference.defined() && config_.centre_on_reference) seen.centre = reference.transpose(3, 4).contiguous().mean(-1);
    seen.figures = &figures_of_[set];
    seen.probes = &probes_;
    seen.grid = network_.encoder.config().grid();
    seen.side = network_.encoder.config().side;
    seen.unbiased = config_.unbiased;
    seen.leave_out = config_.leave_out;
    return seen;
  }

  // Keeps what was asked for of it.
  void add(Set set, const MetricValues& values, Course& course) {
    for (const auto& [metric, tensor] : values) {
      if (!is_chosen(config_.metrics, metric)) continue;
      auto& by_set = course[metric];
      by_set.resize(2);
      by_set[set].push_back(tensor);
    }
  }

  // Masks for all its images: each run by itself, so that what it measures does not depend on its company.
  static bool has_figures(const FamiliarityStart& start) { return !start.figures[kFamiliar].empty() && !start.figures[kNovel].empty(); }

  const FamiliarityMetric& file_of(const std::string& metric) const {
    for (const auto* file : metrics_)
      if (std::ranges::any_of(file->values, [&](const auto& value) { return value.name == metric; })) return *file;
    throw std::logic_error("a measurement without its entry: " + metric);
  }

  static Measurement measurement(const std::string& metric, std::vector<Axis> axes, const at::Tensor& values) {
    const auto flat = values.to(at::kFloat).contiguous();
    return {metric, std::move(axes), {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()}};
  }

  const std::vector<RunSpec>& runs_;
  FamiliarityConfig config_;  // of the first run: what the signature holds is common to all
  std::vector<FamiliarityConfig> configs_;  // of each run
  std::vector<FamiliarityStart> starts_;
  FastNetwork network_;
  std::unique_ptr<LearningRule> fast_, rest_;
  std::vector<const FamiliarityMetric*> metrics_;
  at::Tensor shown_[2], reference_, losses_;
  std::vector<std::vector<FigureOverlap>> figures_of_[2];
  std::vector<RandomStream> probes_;
  std::vector<std::int64_t> failed_at_;
  Course coarse_, fine_;
};

// The first run of a condition shows its reconstructions in the report.
bool shows_pictures(const RunSpec& run) { return run.seed == 0 && run.image_set == 0; }

std::uint64_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
  return 0;
}

}  // namespace

void run_familiarity_pack(const std::vector<RunSpec>& runs, const PackContext& context) {
  at::set_num_threads(1);  // a pack computes on one thread, a worker per core: equal bits, and no fight for cores
  keep_heap();
  const auto start = std::chrono::steady_clock::now();
  Pack pack(runs);
  const bool pictures = context.keep_pictures || std::ranges::any_of(runs, shows_pictures);
  at::Tensor before;
  for (std::int64_t epoch = 0; epoch <= pack.epochs(); ++epoch) {
    if (context.should_stop()) throw Interrupted("stopped within a pack; its runs are run again");
    if (epoch > 0)
      pack.train(epoch);
    else if (pictures)
      before = pack.reconstructions();
    pack.evaluate(epoch);
    context.progress(static_cast<double>(epoch) / static_cast<double>(pack.epochs()));
  }
  const auto after = pictures ? pack.reconstructions() : at::Tensor();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
                         static_cast<double>(runs.size());
  for (std::size_t run = 0; run < runs.size(); ++run) {
    auto result = pack.result(run, seconds);
    if (result.failure.empty() && (context.keep_pictures || shows_pictures(runs[run])))
      result.attachments.push_back(pack.picture(run, before, after));
    context.report(std::move(result));
  }
}

std::uint64_t probe_familiarity_memory(const RunSpec& run) {
  at::set_num_threads(1);
  keep_heap();
  malloc_trim(0);                                 // what the probe before left
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak starts from here
  const auto base = peak_memory();
  {
    Pack pack({run});
    pack.train(1);
    pack.evaluate_first();
  }
  return std::max<std::uint64_t>(peak_memory() - base, std::uint64_t{1} << 20);
}

}  // namespace palimpsest
