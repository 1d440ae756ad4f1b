// A run of the circuit, from images to measurements.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <sstream>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "runtime/error.h"
#include "runtime/log.h"
#include "sweeps/circuit.h"
#include "sweeps/circuit_axes.h"
#include "sweeps/circuit_dictionary.h"
#include "sweeps/circuit_linear.h"
#include "sweeps/circuit_metrics.h"
#include "sweeps/familiarity_images.h"
#include "sweeps/tensor_snapshot.h"

namespace palimpsest {
namespace {

enum Set { kFamiliar, kNovel };

// A run that cannot go on; the others of its pack do.
struct RanAway {
  std::string why;
};

// What the run is shown: drives of [images][variants][neurons].
struct Shown {
  std::vector<float> tested[2], trained, reference;
};

Shown shown(const RunSpec& run, const CircuitStudyConfig& config) {
  const auto source = shared_images(run.settings);
  const auto chosen =
      choose_images(*source, circuit_images(run.settings),
                    static_cast<std::uint64_t>(run.settings.integer("images.seed")), run.image_set, run.image_sets);
  const RandomStream seed(static_cast<std::uint64_t>(run.seed));
  const auto noise = seed.child(purpose("noise"));
  const auto grey = [&](const std::vector<std::int64_t>& numbers) {
    std::vector<GreyImage> out;
    for (const auto i : numbers) out.push_back(grey_image(source->image(i), config.input));
    return out;
  };
  const auto own = seed.child(purpose("bank")).child(static_cast<std::uint64_t>(run.image_set));
  const auto bank = config.learned_bank
                        ? learned_bank(grey(dictionary_images(*source, run.settings, run.image_set, run.image_sets)), config.input, own)
                        : gabor_bank(config.input, own);
  auto familiar = grey(chosen.familiar);
  Shown out;
  out.tested[kFamiliar] = drives_of(familiar, bank, config.input, noise);
  out.tested[kNovel] = drives_of(grey(chosen.novel), bank, config.input, noise);
  out.reference =
      config.theta_on_familiar ? out.tested[kFamiliar] : drives_of(grey(chosen.reference), bank, config.input, noise);
  if (config.shuffled)
    for (auto& image : familiar) image = shuffled(image, seed);
  out.trained = config.shuffled ? drives_of(familiar, bank, config.input, noise) : out.tested[kFamiliar];
  return out;
}

// One run at work.
class CircuitRun {
 public:
  CircuitRun(const RunSpec& run, const PackContext& context, std::function<void(double)> progress)
      : run_(run),
        context_(context),
        progress_(std::move(progress)),
        config_(parse_circuit(run.settings)),
        circuit_(config_.circuit),
        shown_(shown(run, config_)) {}

  std::vector<Measurement> measurements() {
    inputs();
    if (!resume()) set_thresholds();
    for (std::int64_t epoch = at_.epoch; epoch <= config_.epochs; ++epoch) {
      if (epoch > 0) train(epoch);
      if (std::ranges::binary_search(config_.schedule, epoch)) evaluate(epoch);
      progress_(static_cast<double>(epoch) / static_cast<double>(config_.epochs));
    }
    for (const auto set : {kFamiliar, kNovel}) measure_geometry(set);
    return collected();
  }

 private:
  // metric -> set -> values of each measured epoch
  using Course = std::map<std::string, std::vector<std::vector<at::Tensor>>>;

  // A pair of presentations: between two of them all state is in the weights, the thresholds and what was measured.
  struct Place {
    std::int64_t epoch = 0, pair = 0;
    bool operator==(const Place&) const = default;
  };
  static constexpr std::int64_t kPairs = std::int64_t{1} << 32;   // more than an epoch has

  void save_where_due(Place now) {
    if (!context_.snapshots || now == at_ || !(context_.snapshots->due() || context_.should_stop())) return;
    Snapshot out{now.epoch * kPairs + now.pair, {}};
    put(out, "weights", as_tensor(circuit_.weights()));
    put(out, "threshold", at::tensor(circuit_.threshold(), at::kDouble));
    for (const auto set : {kFamiliar, kNovel})
      for (std::size_t i = 0; i < seen_[set].size(); ++i) put(out, fmt::format("seen {} {:09}", static_cast<int>(set), i), seen_[set][i]);
    for (const auto& [metric, by_set] : course_)
      for (std::size_t set = 0; set < by_set.size(); ++set)
        for (std::size_t i = 0; i < by_set[set].size(); ++i) put(out, fmt::format("course {} {} {:09}", metric, set, i), by_set[set][i]);
    context_.snapshots->save(run_.id, out);
    at_ = now;
  }

  // Whether there was a snapshot to go on from.
  bool resume() {
    const auto saved = context_.snapshots ? context_.snapshots->saved(run_.id) : std::nullopt;
    if (!saved) return false;
    try {
      go_on_from(*saved);
      return true;
    } catch (const InputError& error) {
      log().warn("run {} begins anew: {}", run_.id, error.what());
      circuit_ = Circuit(config_.circuit);
      course_.clear();
      for (auto& epochs : seen_) epochs.clear();
      at_ = {};
      return false;
    }
  }

  void go_on_from(const Snapshot& saved) {
    get_into(saved, "weights", as_tensor(circuit_.weights()));
    const auto threshold = get(saved, "threshold");
    if (threshold.numel() != neurons() || threshold.scalar_type() != at::kDouble) throw InputError("a snapshot of another circuit");
    std::copy_n(threshold.data_ptr<double>(), neurons(), circuit_.threshold().begin());
    for (const auto set : {kFamiliar, kNovel})
      for (const auto& [name, part] : saved.parts)
        if (name.starts_with(fmt::format("seen {} ", static_cast<int>(set)))) seen_[set].push_back(get(saved, name));
    for (const auto& [name, part] : saved.parts) {   // in order of metric, set and index
      std::istringstream words(name);
      std::string word, metric;
      std::size_t set = 0;
      if (!(words >> word >> metric >> set) || word != "course" || set > 1) continue;
      course_[metric].resize(2);
      course_[metric][set].push_back(get(saved, name));
    }
    at_ = {saved.step / kPairs, saved.step % kPairs};
  }

  static at::Tensor as_tensor(std::span<float> values) {
    return at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, at::kFloat);
  }

  std::int64_t neurons() const { return config_.circuit.neurons(); }
  std::int64_t levels() const { return static_cast<std::int64_t>(config_.input.levels.size()); }

  CircuitResponses respond(std::vector<float> drives) const {
    for (float& drive : drives) drive *= static_cast<float>(config_.test_gain);
    auto out = circuit_.respond(drives, config_.steps(config_.test_ms), config_.steps(config_.sample_ms));
    if (!(out.largest <= config_.ceiling))
      throw RanAway{
          fmt::format("a rate reached {:.3g} in a test, above stability.ceiling = {}. Lower circuit.row_sum or "
                      "test.gain, or raise circuit.inhibitory_weight",
                      out.largest, config_.ceiling)};
    return out;
  }

  // theta begins where the circuit's own activity is: mean r^2, or 7 mean r^3.
  void set_thresholds() {
    const auto seen = respond(shown_.reference);
    for (std::int64_t k = 0; k < neurons(); ++k)
      circuit_.threshold()[k] = std::max(config_.theta_cubed ? 7 * seen.mean_cube[k] : seen.mean_square[k], 1e-6);
  }

  at::Tensor by_levels(const std::vector<float>& values) const {
    const auto all = at::from_blob(const_cast<float*>(values.data()),
                                   {static_cast<std::int64_t>(values.size()) / (config_.input.variants() * neurons()),
                                    config_.input.variants(), neurons()},
                                   at::kFloat);
    return levels_of(all.to(at::kDouble), levels(), config_.input.patterns);
  }

  void inputs() {
    for (const auto set : {kFamiliar, kNovel})
      input_[set] = circuit_geometry(by_levels(shown_.tested[set]), config_.input.levels, config_.unbiased);
  }

  // Pairs of each image in turn: clean and clean, then each noisy pattern and clean, without rest between the two.
  void train(std::int64_t epoch) {
    if (config_.plasticity.rule == PlasticityRule::kFrozen) return;  // nothing would change
    const auto variants = config_.input.variants(),
               images = static_cast<std::int64_t>(shown_.trained.size()) / (variants * neurons());
    const auto pairs = images * variants;
    for (std::int64_t pair = at_.epoch == epoch ? at_.pair : 0; pair < pairs; ++pair) {
      save_where_due({epoch, pair});
      if (context_.should_stop()) throw Interrupted("stopped within a pack; its runs are run again");
      const auto clean = pair / variants * variants;
      const double eta = std::pow(config_.rate_fall, -static_cast<double>(pair) / static_cast<double>(pairs));
      circuit_.begin();
      present(config_.noisy_pairs ? pair : clean, eta, epoch, 2 * pair);
      if (!config_.supervised) circuit_.rest();
      present(clean, eta, epoch, 2 * pair + 1);
    }
  }

  void present(std::int64_t stimulus, double eta, std::int64_t epoch, std::int64_t number) {
    std::vector<float> drive(shown_.trained.begin() + stimulus * neurons(),
                             shown_.trained.begin() + (stimulus + 1) * neurons());
    for (float& d : drive) d *= static_cast<float>(config_.gain);
    Stimulus shown{drive, config_.steps(config_.half_ms)};
    const auto stream = RandomStream(static_cast<std::uint64_t>(run_.seed))
                            .child(purpose("drive"))
                            .child(static_cast<std::uint64_t>(epoch))
                            .child(static_cast<std::uint64_t>(number));
    if (config_.drive_noise > 0)
      shown.noisy_drive = [&](std::int64_t step, std::span<float> out) {
        stream.child(static_cast<std::uint64_t>(step)).fill_normal(out.data(), static_cast<std::int64_t>(out.size()));
        for (std::size_t i = 0; i < out.size(); ++i)
          out[i] =
              drive[i] + out[i] * static_cast<float>(std::sqrt(config_.drive_noise * drive[i] / config_.circuit.step));
      };
    const float largest = circuit_.present(shown, config_.plasticity, eta);
    if (!(largest <= 1000 * config_.ceiling))
      throw RanAway{
          fmt::format("a rate reached {:.3g} in training, in epoch {}, presentation {}; that is a thousand times "
                      "stability.ceiling. Lower training.gain or circuit.row_sum, raise "
                      "circuit.inhibitory_weight, or bound rates by training.saturation",
                      largest, epoch, number / 2 + 1)};
  }

  void evaluate(std::int64_t epoch) {
    for (const auto set : {kFamiliar, kNovel}) {
      const auto seen = respond(shown_.tested[set]);
      const auto x = by_levels(seen.steady);
      seen_[set].push_back(x);
      add(set, circuit_activity(x));
      add(set, course_of(seen.course));
      if (config_.modes > 0) add(set, linear_analysis(x));
      if (epoch != config_.schedule.front()) add(set, circuit_change(seen_[set].front(), x));
    }
  }

  // About the mean response to the clean images.
  CircuitValues linear_analysis(const at::Tensor& x) const {
    const auto modes = slowest_modes(circuit_, x[0].flatten(0, 1).mean(0), config_.modes);
    return {{"linear.time_scale", modes.time_scales},
            {"linear.increment", circuit_increment(seen_by(modes, circuit_, x), config_.input.levels)}};
  }

  // Of all epochs at the end: principal components are of all of them together.
  void measure_geometry(Set set) {
    at::Tensor axes;
    if (config_.components > 0) axes = principal_axes(at::cat({pooled(kFamiliar), pooled(kNovel)}), config_.components);
    for (const auto& x : seen_[set]) {
      auto geometry = circuit_geometry(axes.defined() ? at::matmul(x, axes) : x, config_.input.levels, config_.unbiased);
      geometry["manifold.compression"] = (geometry["manifold.relative"] / input_[set]["manifold.relative"]).log();
      geometry["manifold.alignment_gain"] = geometry["manifold.alignment"] - input_[set]["manifold.alignment"];
      add(set, geometry);
    }
  }

  // [stimuli of all epochs, C]
  at::Tensor pooled(Set set) const { return at::stack(seen_[set]).flatten(0, -2); }

  static CircuitValues course_of(const std::vector<double>& course) {
    const auto rates = at::tensor(course, at::kDouble);
    const auto over_peak = rates / rates.max();
    return {{"psth.rate", over_peak}, {"psth.steady", over_peak.slice(0, -2).mean()}};
  }

  void add(Set set, const CircuitValues& values) {
    for (const auto& [metric, value] : values) {
      auto& by_set = course_[metric];
      by_set.resize(2);
      by_set[set].push_back(value);
    }
  }

  std::vector<Measurement> collected() const {
    std::vector<Measurement> out;
    for (const auto& [metric, by_set] : course_)
      out.push_back(measurement(metric, at::stack({at::stack(by_set[kFamiliar]), at::stack(by_set[kNovel])})));
    for (const char* name : {"relative", "effective", "alignment", "similarity"}) {
      const auto metric = fmt::format("manifold.{}", name);
      out.push_back(measurement(fmt::format("input.{}", name),
                                at::stack({input_[kFamiliar].at(metric), input_[kNovel].at(metric)})));
    }
    return out;
  }

  Measurement measurement(const std::string& metric, const at::Tensor& values) const {
    static const auto list = circuit_metric_list();
    const auto flat = values.to(at::kFloat).contiguous();
    return {metric, circuit_axes(*std::ranges::find(list, metric, &MetricInfo::name), config_),
            {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()}};
  }

  const RunSpec& run_;
  const PackContext& context_;
  std::function<void(double)> progress_;
  CircuitStudyConfig config_;
  Circuit circuit_;
  Shown shown_;
  Place at_;   // where it began, or was saved last
  CircuitValues input_[2];
  std::vector<at::Tensor> seen_[2];  // steady responses [N, P, I, C] of each measured epoch
  Course course_;
};

}  // namespace

// Circuits share nothing, so a pack is its runs one after the other, each in the cache by itself.
void run_circuit_pack(const std::vector<RunSpec>& runs, const PackContext& context) {
  at::set_num_threads(1);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    RunResult result;
    result.id = runs[i].id;
    try {
      CircuitRun run(runs[i], context, [&](double share) {
        context.progress((static_cast<double>(i) + share) / static_cast<double>(runs.size()));
      });
      result.measurements = run.measurements();
    } catch (const RanAway& away) {
      result.failure = away.why;
    }
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    context.report(std::move(result));
  }
}

}  // namespace palimpsest
