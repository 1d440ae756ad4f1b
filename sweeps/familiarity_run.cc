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

#include "runtime/tensor_file.h"
#include "sweeps/familiarity.h"
#include "sweeps/familiarity_metrics.h"
#include "sweeps/familiarity_start.h"

namespace palimpsest {
namespace {

// Images of one pass through the encoder: few, so that what a block makes of them stays in the cache, whatever the
// pack.
constexpr std::int64_t kImagesPerPass = 4;

enum Set { kFamiliar, kNovel };
const std::vector<std::string> kSetNames = {"familiar", "novel"};

std::string label(double value) { return fmt::format("{}", value); }

std::vector<std::string> labels(const auto& values) {
  std::vector<std::string> out;
  for (const auto value : values) out.push_back(label(static_cast<double>(value)));
  return out;
}

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
        starts_(starts()),
        network_(network()),
        optimizer_(network_.trained, optimizer_options()) {
    const auto stack = [&](auto member) {
      std::vector<at::Tensor> all;
      for (const auto& start : starts_) all.push_back(start.*member);
      return at::stack(all);
    };
    shown_[kFamiliar] = stack(&FamiliarityStart::familiar);
    shown_[kNovel] = stack(&FamiliarityStart::novel);
    if (starts_.front().reference.defined()) reference_ = stack(&FamiliarityStart::reference);
    target_ = pixel_patches(clean(kFamiliar), network_.encoder.config().patch);
    losses_ = at::full({size(), config_.epochs}, std::nan(""));
    failed_at_.assign(runs.size(), 0);
    // Figures are measured where every run of the pack has masks for all its images.
    figures_ = std::ranges::all_of(
        starts_, [](const auto& s) { return !s.familiar_figures.empty() && !s.novel_figures.empty(); });
  }

  std::int64_t epochs() const { return config_.epochs; }

  // One optimizer step on the clean familiar images, all in one batch.
  void train(std::int64_t epoch) {
    const auto output = decode(encode(clean(kFamiliar)), dropout_of(epoch));
    const auto loss = pixel_loss(at::sigmoid(output), target_, config_.l1);
    optimizer_.zero_grad();
    loss.backward(at::ones_like(loss));  // each run's own: no sum over runs
    optimizer_.step();
    losses_.select(1, epoch - 1).copy_(loss.detach());
    for (std::int64_t r = 0; r < size(); ++r)
      if (failed_at_[r] == 0 && !std::isfinite(losses_[r][epoch - 1].item<float>())) failed_at_[r] = epoch;
  }

  void evaluate(std::int64_t epoch) {
    const c10::InferenceMode no_gradient;
    const bool coarse = std::ranges::binary_search(config_.coarse, epoch),
               fine = std::ranges::binary_search(config_.fine, epoch);
    if (!coarse && !fine) return;
    const auto centre = coarse && reference_.defined() ? reference_centre() : at::Tensor();
    for (const auto set : {kFamiliar, kNovel}) {
      const auto seen = responses(shown_[set], coarse);
      const auto levels = static_cast<std::int64_t>(config_.noise.levels.size());
      const auto features = by_level(seen.features, levels, config_.noise.patterns);
      if (fine) add(set, manifold(features), fine_);
      if (!coarse) continue;
      add(set, alignment(features, centre), coarse_);
      add(set, sparseness(features), coarse_);
      const auto maps = by_level(seen.maps, levels, config_.noise.patterns);
      add(set, attention_scope(maps), coarse_);
      if (figures_) add(set, figure_overlap(set, seen.maps), coarse_);
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
    if (failed_at_[run]) {
      out.failure =
          fmt::format("the loss is not finite at step {}; a lower training.learning_rate may help", failed_at_[run]);
      return out;
    }
    std::vector<std::int64_t> steps(static_cast<std::size_t>(config_.epochs));
    for (std::size_t i = 0; i < steps.size(); ++i) steps[i] = static_cast<std::int64_t>(i) + 1;
    out.measurements.push_back(measurement("loss", {{"step", labels(steps)}}, losses_[static_cast<std::int64_t>(run)]));
    for (const auto* course : {&coarse_, &fine_})
      for (const auto& [metric, by_set] : *course) {
        const auto all = at::stack({at::stack(by_set[kFamiliar]), at::stack(by_set[kNovel])});  // [set, epoch, R, ...]
        const auto own = all.select(2, static_cast<std::int64_t>(run));
        out.measurements.push_back(
            measurement(metric, axes(metric, course == &coarse_ ? config_.coarse : config_.fine, own), own));
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

  std::vector<FamiliarityStart> starts() const {
    std::vector<FamiliarityStart> out;
    for (const auto& run : runs_) out.push_back(start_of(run, parse_familiarity(run.settings)));
    return out;
  }

  FastNetwork network() const {
    const auto& slow = *starts_.front().slow;
    std::vector<FastConfig> fast;
    for (const auto& run : runs_) {
      const auto config = parse_familiarity(run.settings);
      const RandomStream seed(static_cast<std::uint64_t>(run.seed));
      fast.push_back({config.rank, config.scale, layers_of(config.layers, slow.config.depth),
                      seed.child(purpose("adapters")), seed.child(purpose("decoder"))});
    }
    auto made = build_fast_network(slow, familiarity_decoder(runs_.front().settings, slow.config), config_.qkv,
                                   config_.targets, fast);
    if (!config_.start_file.empty()) load_start_file(made, config_);
    return made;
  }

  AdamW::Options optimizer_options() const {
    AdamW::Options options;
    for (const auto& run : runs_) {
      options.learning_rate.push_back(run.settings.number("training.learning_rate"));
      options.weight_decay.push_back(run.settings.number("training.weight_decay"));
    }
    return options;
  }

  std::vector<RandomStream> dropout_of(std::int64_t epoch) const {
    std::vector<RandomStream> out;
    for (const auto& run : runs_)
      out.push_back(RandomStream(static_cast<std::uint64_t>(run.seed))
                        .child(purpose("dropout"))
                        .child(static_cast<std::uint64_t>(epoch)));
    return out;
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

  std::vector<std::string> read_outs() const {
    return network_.encoder.config().class_token ? std::vector<std::string>{"cls", "mean"}
                                                 : std::vector<std::string>{"mean"};
  }

  // What one pass of few images evokes: features [R, Q, L, b, C], maps [R, Q, L, b, K].
  std::pair<at::Tensor, at::Tensor> pass(const at::Tensor& images, bool maps) const {
    const auto& config = network_.encoder.config();
    const std::int64_t first_patch = config.class_token ? 1 : 0;
    std::vector<at::Tensor> features, attended;
    auto x = network_.encoder.embed(images);
    for (std::int64_t layer = 0; layer < config.depth; ++layer) {
      at::Tensor probabilities;  // [R, b, H, T, T]
      x = network_.encoder.block(layer, x, maps ? &probabilities : nullptr);
      const auto mean = x.slice(2, first_patch).mean(2);
      features.push_back(config.class_token ? at::stack({x.select(2, 0), mean}, 1) : mean.unsqueeze(1));
      if (!maps) continue;
      const auto over_heads = probabilities.mean(2).slice(3, first_patch);
      const auto mean_map = over_heads.slice(2, first_patch).mean(2);
      attended.push_back(config.class_token ? at::stack({over_heads.select(2, 0), mean_map}, 1)
                                            : mean_map.unsqueeze(1));
    }
    return {at::stack(features, 2), maps ? at::stack(attended, 2) : at::Tensor()};
  }

  // images [R, V, I, 3, S, S]
  Responses responses(const at::Tensor& images, bool maps) const {
    const auto V = images.size(1), I = images.size(2);
    const auto flat = images.flatten(1, 2);
    std::vector<at::Tensor> features, attended;
    for (std::int64_t at = 0; at < V * I; at += kImagesPerPass) {
      auto [f, m] = pass(flat.slice(1, at, std::min(at + kImagesPerPass, V * I)).contiguous(), maps);
      features.push_back(f);
      if (maps) attended.push_back(m);
    }
    const auto joined = [&](const std::vector<at::Tensor>& parts) {
      const auto all = at::cat(parts, 3).to(at::kDouble);  // [R, Q, L, V I, .]
      return all.reshape({all.size(0), all.size(1), all.size(2), V, I, all.size(4)});
    };
    return {joined(features), maps ? joined(attended) : at::Tensor()};
  }

  at::Tensor reference_centre() const {
    const auto seen = responses(reference_.unsqueeze(1), false).features;  // [R, Q, L, 1, n, C]
    return seen.select(3, 0).transpose(3, 4).contiguous().mean(-1);
  }

  // attention.figure_iou and its chance level, of maps [R, Q, L, V, I, K] normalised over the images and patterns of a
  // level.
  MetricValues figure_overlap(Set set, const at::Tensor& maps) const {
    const auto R = maps.size(0), Q = maps.size(1), L = maps.size(2), I = maps.size(4), K = maps.size(5);
    const auto levels = static_cast<std::int64_t>(config_.noise.levels.size()), patterns = config_.noise.patterns;
    const auto& encoder = network_.encoder.config();
    auto iou = at::zeros({R, L, levels, Q}, at::kDouble), chance = at::zeros_like(iou);
    for (std::int64_t r = 0; r < R; ++r) {
      const auto& figures = set == kFamiliar ? starts_[r].familiar_figures : starts_[r].novel_figures;
      for (std::int64_t q = 0; q < Q; ++q)
        for (std::int64_t l = 0; l < L; ++l)
          for (std::int64_t n = 0; n < levels; ++n) {
            const auto first = n == 0 ? 0 : 1 + (n - 1) * patterns, count = n == 0 ? 1 : patterns;
            const auto level = maps[r][q][l].slice(0, first, first + count);
            const auto low = level.min(), span = level.max() - low + 1e-8;
            const auto normal = ((level - low) / span).contiguous();  // [p, I, K]
            double sum_iou = 0, sum_chance = 0;
            for (std::int64_t p = 0; p < count; ++p)
              for (std::int64_t i = 0; i < I; ++i) {
                const std::span<const double> map(normal.data_ptr<double>() + (p * I + i) * K,
                                                  static_cast<std::size_t>(K));
                const auto score = figures[i].score(
                    enlarge_cubic(map, static_cast<int>(encoder.grid()), static_cast<int>(encoder.side)));
                sum_iou += score.iou, sum_chance += score.chance;
              }
            iou[r][l][n][q] = sum_iou / static_cast<double>(count * I);
            chance[r][l][n][q] = sum_chance / static_cast<double>(count * I);
          }
    }
    return {{"attention.figure_iou", iou}, {"attention.figure_iou_chance", chance}};
  }

  void add(Set set, const MetricValues& values, Course& course) {
    for (const auto& [metric, tensor] : values) {
      auto& by_set = course[metric];
      by_set.resize(2);
      by_set[set].push_back(tensor);
    }
  }

  std::vector<Axis> axes(const std::string& metric, const std::vector<std::int64_t>& epochs,
                         const at::Tensor& own) const {
    std::vector<Axis> out = {{"images", kSetNames}, {"epoch", labels(epochs)}};
    std::vector<std::int64_t> layers(static_cast<std::size_t>(own.size(2)));
    for (std::size_t i = 0; i < layers.size(); ++i) layers[i] = static_cast<std::int64_t>(i);
    out.push_back({"layer", labels(layers)});
    if (own.dim() == 5) {
      auto levels = config_.noise.levels;
      if (metric.starts_with("manifold.")) levels.erase(levels.begin());  // a step up from the level before
      out.push_back({"noise", labels(levels)});
    }
    out.push_back({"readout", read_outs()});
    return out;
  }

  static Measurement measurement(const std::string& metric, std::vector<Axis> axes, const at::Tensor& values) {
    const auto flat = values.to(at::kFloat).contiguous();
    return {metric, std::move(axes), {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()}};
  }

  const std::vector<RunSpec>& runs_;
  FamiliarityConfig config_;  // of the first run: what the signature holds is common to all
  std::vector<FamiliarityStart> starts_;
  FastNetwork network_;
  AdamW optimizer_;
  at::Tensor shown_[2], reference_, target_, losses_;
  std::vector<std::int64_t> failed_at_;
  bool figures_ = false;
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
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak starts from here
  const auto base = peak_memory();
  {
    Pack pack({run});
    pack.train(1);
    pack.evaluate(0);
  }
  return std::max<std::uint64_t>(peak_memory() - base, std::uint64_t{1} << 20);
}

}  // namespace palimpsest
