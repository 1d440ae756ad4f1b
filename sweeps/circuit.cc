#include "sweeps/circuit.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/key_error.h"
#include "sweeps/circuit_axes.h"
#include "sweeps/circuit_linear.h"

namespace palimpsest {
namespace {

const std::map<std::string, PlasticityRule> kRules = {{"bcm", PlasticityRule::kBcm},
                                                      {"hebb", PlasticityRule::kHebb},
                                                      {"oja", PlasticityRule::kOja},
                                                      {"anti-hebb", PlasticityRule::kAntiHebb},
                                                      {"frozen", PlasticityRule::kFrozen}};

CircuitInputConfig input_of(const Settings& s) {
  CircuitInputConfig c;
  c.side = static_cast<int>(s.integer("input.side"));
  c.contrast = s.number("input.contrast");
  c.filter = static_cast<int>(s.integer("filters.side"));
  c.stride = static_cast<int>(s.integer("filters.stride"));
  c.orientations = s.integer("filters.orientations");
  c.frequencies = s.numbers("filters.frequencies");
  c.drawn_bank = s.string("filters.bank") == "drawn";
  c.levels = s.numbers("noise.levels");
  c.patterns = s.integer("noise.patterns");
  c.noise = &find_noise_kind(s.string("noise.kind"));
  if (c.side < c.filter)
    throw KeyError("input.side", fmt::format("input.side = {} is smaller than a filter, filters.side = {}. Write at least {}.",
                                 c.side, c.filter, c.filter));
  if (c.frequencies.empty()) throw KeyError("filters.frequencies", "filters.frequencies is empty. Write one or more, such as [0.8, 1.2].");
  if (c.levels.size() < 2 || c.levels.front() != 0 || !std::ranges::is_sorted(c.levels, std::less_equal{}))
    throw KeyError("noise.levels",
        fmt::format("noise.levels = [{}] must begin with 0 (the clean images) and ascend, with one above 0. Write [0, 0.3], for example.",
                    fmt::join(c.levels, ", ")));
  return c;
}

// What a lesion leaves open in training, or in tests.
Pathways pathways(const Settings& s, const std::string& phase) {
  const auto& where = s.string("circuit.lesion_in");
  const auto& cut = where == phase || where == "both" ? s.string("circuit.lesion") : "none";
  return {.excitation = cut != "excitation", .inhibition = cut != "inhibition"};
}

// A neuron in a corner of the grid has the fewest inputs, and none of them may weigh more than the bound allows.
void check_row_sum(const CircuitConfig& c) {
  const auto inputs = c.features * std::min(c.rows, c.excitatory_radius + 1) * std::min(c.columns, c.excitatory_radius + 1);
  const auto side = 2 * c.excitatory_radius + 1, whole = c.features * side * side;
  const double share = static_cast<double>(inputs) / static_cast<double>(whole), most = c.bound * share;
  if (c.row_sum <= most * (1 + 1e-9)) return;
  throw InputError(
      fmt::format("circuit.row_sum = {} cannot be had: no weight is above circuit.bound over the inputs of a window, {} / {}, so "
                  "those onto a neuron in a corner, with {} inputs, sum up to {:.4g} at most. Lower circuit.row_sum to that, or raise "
                  "circuit.bound to {:.4g}.",
                  c.row_sum, c.bound, whole, inputs, most, c.row_sum / share));
}

CircuitConfig circuit_of(const Settings& s, const CircuitInputConfig& input) {
  CircuitConfig c;
  c.rows = c.columns = input.grid();
  c.features = input.features();
  c.excitatory_radius = s.integer("circuit.excitatory_radius");
  c.inhibitory_radius = s.integer("circuit.inhibitory_radius");
  c.tau_e = s.number("circuit.tau_e");
  c.tau_i = s.number("circuit.tau_i");
  c.step = s.number("circuit.step");
  c.beta = s.number("circuit.beta");
  c.threshold = s.number("circuit.threshold");
  c.exponent = static_cast<int>(s.integer("circuit.exponent"));
  c.row_sum = s.number("circuit.row_sum");
  c.bound = s.number("circuit.bound");
  c.inhibitory_weight = s.number("circuit.inhibitory_weight");
  c.in_training = pathways(s, "training");
  c.in_tests = pathways(s, "tests");
  c.saturation = s.number("training.saturation");
  check_row_sum(c);
  if (c.step >= c.tau_i || c.step >= c.tau_e)
    throw KeyError("circuit.step", fmt::format("circuit.step = {} ms must be below circuit.tau_e = {} and circuit.tau_i = {}. Lower it.", c.step,
                                 c.tau_e, c.tau_i));
  return c;
}

std::vector<std::int64_t> schedule_of(const Settings& s, std::int64_t epochs) {
  auto given = s.integers("evaluation.epochs");
  if (given.empty())
    for (std::int64_t e = 0; e <= epochs; ++e) given.push_back(e);
  if (given.front() != 0 || given.back() > epochs || given.size() < 2 ||
      !std::ranges::is_sorted(given, std::less_equal{}))
    throw KeyError("evaluation.epochs",
        fmt::format("evaluation.epochs = [{}] must begin with 0, ascend, and end at or before "
                    "training.epochs = {}. Take out what is later or in disorder.",
                    fmt::join(given, ", "), epochs));
  return given;
}

// Checks that a run can be had, and says what it reads.
Inputs inspect(const Settings& settings, std::int64_t image_set, std::int64_t image_sets) {
  const auto config = parse_circuit(settings);
  const auto source = shared_images(settings);
  const auto chosen = choose_images(*source, circuit_images(settings),
                                    static_cast<std::uint64_t>(settings.integer("images.seed")), image_set, image_sets);
  Inputs inputs{{{"images.familiar", hash_of(*source, chosen.familiar)},
                 {"images.novel", hash_of(*source, chosen.novel)},
                 {"images.reference", hash_of(*source, chosen.reference)}}};
  if (config.learned_bank)
    inputs.hashes["images.dictionary"] = hash_of(*source, dictionary_images(*source, settings, image_set, image_sets));
  return inputs;
}

// Circuits of a pack are computed one after the other: any may go with any. Those of one size have one need of memory.
std::string signature(const Settings& settings) {
  const auto c = parse_circuit(settings);
  return fmt::format("grid={} features={} radius={} images={} variants={} samples={}", c.circuit.rows,
                     c.circuit.features, c.circuit.excitatory_radius, settings.integer("images.count"),
                     c.input.variants(), c.steps(c.test_ms) / c.steps(c.sample_ms));
}

double weights_of(const CircuitConfig& c) {
  double across = 0;  // positions in the windows of a line
  for (std::int64_t i = 0; i < c.rows; ++i)
    across += static_cast<double>(std::min(c.rows, i + c.excitatory_radius + 1) -
                                  std::max<std::int64_t>(0, i - c.excitatory_radius));
  return across * across * static_cast<double>(c.features * c.features);
}

double stimuli_of(const Settings& settings, const CircuitStudyConfig& c) {
  return static_cast<double>(settings.integer("images.count") * c.input.variants());
}

// The weights twice (from and onto each neuron), what is shown, and what it evokes in float64, several times over.
std::uint64_t probe_memory(const RunSpec& run) {
  const auto c = parse_circuit(run.settings);
  const double values =
      2 * weights_of(c.circuit) + 40 * stimuli_of(run.settings, c) * static_cast<double>(c.circuit.neurons());
  return static_cast<std::uint64_t>(4 * values) + (std::uint64_t{8} << 20);
}

// Of ten neurons about one fires at a time in training, and half of the inputs matter in a test.
double work(const Settings& settings) {
  const auto c = parse_circuit(settings);
  const double weights = weights_of(c.circuit), stimuli = stimuli_of(settings, c);
  const double tests = 2 * static_cast<double>(c.schedule.size()) + 1;
  const double training = static_cast<double>(c.epochs * 2 * c.steps(c.half_ms)) * stimuli;
  return weights * (tests * stimuli * static_cast<double>(c.steps(c.test_ms)) + 2 * training);
}

}  // namespace

std::int64_t CircuitStudyConfig::steps(double ms) const {
  return std::max<std::int64_t>(1, std::llround(ms / circuit.step));
}

ImageNeeds circuit_images(const Settings& settings) {
  return {settings.integer("images.count"), settings.integer("plasticity.theta_count"), "plasticity.theta_count"};
}

std::vector<std::int64_t> dictionary_images(const ImageSource& source, const Settings& settings, std::int64_t image_set,
                                            std::int64_t image_sets) {
  constexpr std::int64_t kEnough = 64, kLeast = 4;
  auto needs = circuit_images(settings);
  const auto others = source.count() - 2 * needs.count;
  if (others < kLeast)
    throw KeyError("filters.bank",
        fmt::format("filters.bank = \"learned\": filters are learned from images of neither set, and of {} there are {} left, too few for "
                    "a dictionary (at least {}). Give more images, or lower images.count.",
                    source.count(), std::max<std::int64_t>(others, 0), kLeast));
  needs.reference = std::min(others, kEnough);
  return choose_images(source, needs, static_cast<std::uint64_t>(settings.integer("images.seed")), image_set, image_sets).reference;
}

CircuitStudyConfig parse_circuit(const Settings& s) {
  CircuitStudyConfig c;
  c.input = input_of(s);
  c.learned_bank = s.string("filters.bank") == "learned";
  c.circuit = circuit_of(s, c.input);
  c.plasticity = {kRules.at(s.string("plasticity.rule")), s.number("plasticity.tau_w"),
                  s.number("plasticity.tau_theta")};
  c.rate_fall = s.number("plasticity.rate_fall");
  c.theta_on_familiar = s.string("plasticity.theta_images") == "familiar";
  c.theta_cubed = s.string("plasticity.theta") == "cube";
  c.epochs = s.integer("training.epochs");
  c.gain = s.number("training.gain");
  c.drive_noise = s.number("training.drive_noise");
  c.half_ms = s.number("training.half_ms");
  c.noisy_pairs = s.string("training.stimuli") == "noisy-clean";
  c.supervised = s.flag("training.supervision");
  c.shuffled = s.flag("training.shuffled");
  c.test_gain = s.number("test.gain");
  c.test_ms = s.number("test.ms");
  c.sample_ms = s.number("test.sample_ms");
  c.ceiling = s.number("stability.ceiling");
  c.schedule = schedule_of(s, c.epochs);
  c.unbiased = s.flag("manifold.unbiased");
  c.components = s.integer("analysis.components");
  c.modes = s.integer("analysis.modes");
  if (c.modes > 0 && c.circuit.neurons() > kMostLinearNeurons)
    throw KeyError("analysis.modes",
        fmt::format("analysis.modes = {}: the linear analysis finds all modes of a circuit, of {} neurons at most, and this one has "
                    "{}. Lower input.side, filters.orientations or the number of filters.frequencies, or set analysis.modes = 0.",
                    c.modes, kMostLinearNeurons, c.circuit.neurons()));
  if (c.modes > 2 * c.circuit.neurons())
    throw KeyError("analysis.modes", fmt::format("analysis.modes = {}: the circuit has {} modes, two for each neuron. Ask for no more.", c.modes, 2 * c.circuit.neurons()));
  if (c.steps(c.test_ms) < 2 * c.steps(c.sample_ms))
    throw KeyError("test.ms",
        fmt::format("test.ms = {} gives fewer than two samples of test.sample_ms = {}: the steady rate is the "
                    "mean of the last two. Raise it.",
                    c.test_ms, c.sample_ms));
  return c;
}

const Study kCircuitStudy = {
    .name = "circuit",
    .method_version = 3,
    .meaning = "familiarity training of a recurrent circuit with BCM plasticity (doi 10.1371/journal.pcbi.1013587)",
    .unit = "image_set",
    .keys = circuit_keys(),
    .metrics = circuit_metric_list(),
    .figures = circuit_figures(),
    .inspect = inspect,
    .signature = signature,
    .probe_memory = probe_memory,
    .run_pack = run_circuit_pack,
    .declare = declare_circuit,
    .work = work,
};

}  // namespace palimpsest
