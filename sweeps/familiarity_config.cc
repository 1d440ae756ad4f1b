#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "models/learning_rule.h"
#include "runtime/key_error.h"
#include "sweeps/familiarity.h"

namespace palimpsest {
namespace {

const std::map<std::string, Qkv> kQkv = {
    {"adapter", Qkv::kAdapter}, {"gain", Qkv::kGain}, {"full", Qkv::kFull}, {"frozen", Qkv::kFrozen}};
const std::map<std::string, Rest> kRest = {
    {"everything", Rest::kEverything}, {"all", Rest::kAll}, {"norms", Rest::kNorms}, {"decoder", Rest::kDecoder}, {"nothing", Rest::kNothing}};
const std::map<std::string, FirstValues> kFirstValues = {{"kaiming", FirstValues::kKaiming},
                                                         {"gaussian", FirstValues::kGaussian},
                                                         {"orthogonal", FirstValues::kOrthogonal},
                                                         {"swapped", FirstValues::kSwapped}};

// "1.0, 3.2": head 0 of block 1, head 2 of block 3.
std::vector<Head> heads_of(const std::string& text) {
  std::vector<Head> out;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&](std::int64_t& value) {
    while (at < end && *at == ' ') ++at;
    const auto [next, error] = std::from_chars(at, end, value);
    at = next;
    return error == std::errc{} && value >= 0;
  };
  while (at < end) {
    Head head{};
    const bool good = number(head.layer) && at < end && *at++ == '.' && number(head.head) && (at == end || *at++ == ',');
    if (!good) throw KeyError("test.heads_off", fmt::format("test.heads_off = \"{}\" is no list of heads. Write block.head, such as \"1.0\" or \"1.0, 3.2\".", text));
    out.push_back(head);
  }
  return out;
}

// 0, a fifth, ... all of the training; and the fifths of what follows on the other images.
std::vector<std::int64_t> fifths(std::int64_t epochs, std::int64_t second) {
  std::set<std::int64_t> out;
  for (std::int64_t k = 0; k <= 5; ++k) out.insert(epochs * k / 5), out.insert(epochs + second * k / 5);
  return {out.begin(), out.end()};
}

std::vector<std::int64_t> early_and_fifths(std::int64_t epochs, std::int64_t second) {
  std::set<std::int64_t> out;
  for (std::int64_t e = 0; e <= std::min<std::int64_t>(20, epochs); e += 2) out.insert(e);
  for (const auto e : fifths(epochs, second)) out.insert(e);
  return {out.begin(), out.end()};
}

std::vector<std::int64_t> schedule(const Settings& settings, std::string_view key, std::int64_t epochs,
                                   std::vector<std::int64_t> otherwise) {
  const auto& given = settings.integers(key);
  if (given.empty()) return otherwise;
  for (std::size_t i = 0; i < given.size(); ++i)
    if (given[i] > epochs || (i > 0 && given[i] <= given[i - 1]))
      throw KeyError(std::string(key), fmt::format("{} = [{}] must ascend and end at or before the last epoch, {}. Take out what is later or in disorder, or raise "
                                                   "training.epochs.", key, fmt::join(given, ", "), epochs));
  return given;
}

NoiseConfig noise_of(const Settings& settings) {
  NoiseConfig noise{&find_noise_kind(settings.string("noise.kind")), settings.numbers("noise.levels"),
                    settings.integer("noise.patterns"), settings.integer("noise.side"),
                    settings.string("noise.stage") == "after_resize"};
  if (noise.levels.empty() || noise.levels.front() != 0 || !std::ranges::is_sorted(noise.levels, std::less_equal{}))
    throw KeyError("noise.levels", fmt::format("noise.levels = [{}] must begin with 0 (the clean images) and ascend. Write [0, 0.3], for example.",
                                               fmt::join(noise.levels, ", ")));
  if (noise.levels.size() < 2) throw KeyError("noise.levels", "noise.levels needs a level above 0. Write [0, 0.3], for example.");
  return noise;
}

std::vector<std::string> readouts_of(const Settings& s) {
  auto chosen = s.strings("evaluation.readouts");
  for (const auto& name : chosen) find_read_out(name);
  if (chosen.empty()) chosen = {"cls", "mean"};
  if (const auto& read = s.string("slow.readout"); std::ranges::count(chosen, read) == 0)
    throw KeyError("slow.readout", fmt::format("slow.readout = \"{}\", but {} measures {} alone. Add \"{}\" to evaluation.readouts, or leave the key out.", read,
                                               s.strings("evaluation.readouts").empty() ? "a sweep without evaluation.readouts" : "evaluation.readouts",
                                               fmt::join(chosen, " and "), read));
  return chosen;
}

LossConfig loss_of(const Settings& s) {
  LossConfig loss{.pixels = s.number("loss.pixels"),
                  .masked = s.number("loss.masked"),
                  .features = s.number("loss.features"),
                  .l1 = s.number("training.l1"),
                  .mask = s.number("loss.mask"),
                  .normalise_target = s.flag("loss.normalise_target"),
                  .feature_layers = s.string("loss.feature_layers")};
  if (loss.pixels + loss.masked + loss.features <= 0)
    throw KeyError("loss.pixels", "loss.pixels, loss.masked and loss.features are all 0: there is nothing to learn. Write 1 for one of them.");
  return loss;
}

}  // namespace

FamiliarityConfig parse_familiarity(const Settings& s) {
  FamiliarityConfig c;
  c.slow_weights = s.string("slow.weights");
  c.slow_heads = s.integer("slow.heads");
  c.start_file = s.string("start.file");
  if (c.slow_weights.empty() && c.start_file.empty())
    throw InputError(
        "slow.weights is not given. Name a safetensors file: `palimpsest pretrain` makes one, or export a "
        "CLIPVisionModel.");
  if (!c.start_file.empty() && s.string("decoder.initial") == "slow")
    throw KeyError("decoder.initial", "decoder.initial = \"slow\": start.file holds the decoder to begin with. Leave one of the two out.");
  c.activation = s.string("model.activation");
  c.double_projection = s.flag("attention.double_projection");
  c.heads = s.flag("attention.heads");
  c.epochs = s.integer("training.epochs");
  c.second_epochs = s.integer("training.second_epochs");
  c.learning_rate = s.number("training.learning_rate");
  c.weight_decay = s.number("training.weight_decay");
  c.loss = loss_of(s);
  c.count = s.integer("images.count");
  c.steps_per_epoch = s.integer("training.steps_per_epoch");
  if (c.count % c.steps_per_epoch != 0)
    throw KeyError("training.steps_per_epoch", fmt::format("training.steps_per_epoch = {}: {} images (images.count) cannot be divided into so many batches of one size. Write a "
                                                           "number that divides {}.", c.steps_per_epoch, c.count, c.count));
  c.optimizer = s.string("training.optimizer");
  c.training_noise = s.number("training.noise");
  c.training_noise_kind = &find_noise_kind(s.string(s.string("training.noise_kind").empty() ? "noise.kind" : "training.noise_kind"));
  c.gradient_noise = s.number("training.gradient_noise");
  c.precision = precision_named(s.string("training.precision"));
  c.rule = s.string("fast.rule");
  c.form = {.qkv = kQkv.at(s.string("fast.qkv")),
            .rest = kRest.at(s.string("training.rest")),
            .targets = s.strings("fast.targets"),
            .by_gradient = find_learning_rule(c.rule).by_gradient,
            .slow_decoder = s.string("decoder.initial") == "slow",
            .train_decoder = s.flag("decoder.trains"),
            .mask_token = c.loss.masked > 0,
            .normalised_pixels = c.loss.normalise_target,
            .own_slow = s.integer("fast.consolidate") > 0};
  if (c.adapts() && c.form.targets.empty())
    throw KeyError("fast.targets", fmt::format("fast.targets is empty: fast weights need at least one of {}. For none, set fast.qkv = \"frozen\".",
                                 fmt::join(adapter_targets(), ", ")));
  if (c.form.qkv == Qkv::kFrozen && c.form.rest == Rest::kEverything)
    throw KeyError("training.rest", "training.rest = \"everything\" trains queries, keys and values, which fast.qkv = \"frozen\" keeps as they are. Write all for one, or full for "
                                    "the other.");
  if (c.form.qkv == Qkv::kGain && !c.form.by_gradient)
    throw KeyError("fast.rule", fmt::format("fast.rule = \"{}\" learns low-rank updates, but fast.qkv = \"gain\" has none. Write adamw or sgd, or fast.qkv = \"adapter\".", c.rule));
  if (c.form.own_slow && c.form.qkv != Qkv::kAdapter)
    throw KeyError("fast.consolidate", "fast.consolidate writes adapters into the slow weights; set fast.qkv = \"adapter\", or leave it out.");
  c.first_values = kFirstValues.at(s.string("fast.initial"));
  if (!c.form.by_gradient && c.first_values == FirstValues::kSwapped)
    throw KeyError("fast.rule", fmt::format("fast.rule = \"{}\" changes B by the code A x, which fast.initial = \"swapped\" makes zero for ever. Choose another.", c.rule));
  if (!c.form.by_gradient && !c.adapts())
    throw KeyError("fast.rule", fmt::format("fast.rule = \"{}\" is how low-rank updates learn, but fast.qkv = \"{}\" has none. Leave it out, or sweep it with when = {{ \"fast.qkv\" = "
                                            "\"adapter\" }}.", c.rule, s.string("fast.qkv")));
  c.fast_rate = s.number("fast.learning_rate") >= 0 ? s.number("fast.learning_rate") : c.learning_rate;
  c.ridge = s.number("fast.ridge");
  c.fading = s.number("fast.decay");
  c.consolidate_every = s.integer("fast.consolidate");
  c.rank = s.integer("fast.rank");
  const double rank = static_cast<double>(c.rank), alpha = s.number("fast.alpha") > 0 ? s.number("fast.alpha") : 4 * rank;
  c.scale = alpha / (s.flag("fast.rank_stabilised") ? std::sqrt(rank) : rank);
  if (s.string("keep") != "nothing") c.keep = s.string("keep") == "trained" ? Kept::kTrained : Kept::kAdapters;
  c.test_gain = s.number("test.gain");
  c.test_layers_off = s.string("test.layers_off");
  c.test_heads_off = heads_of(s.string("test.heads_off"));
  c.test_swapped = s.flag("test.swapped");
  if (c.test_swapped && !c.adapts())
    throw KeyError("test.swapped", fmt::format("test.swapped: with fast.qkv = \"{}\" there are no fast weights to swap. Write adapter or gain, or leave it out.",
                                 s.string("fast.qkv")));
  c.metrics = s.strings("evaluation.metrics");
  chosen_metrics(c.metrics);
  c.readouts = readouts_of(s);
  c.unbiased = s.flag("manifold.unbiased");
  c.decoders_begin_alike = s.flag("decoder.shared_start");
  c.probes_begin_alike = s.flag("probe.shared_start");
  c.leave_out = s.integer("sparseness.leave_out");
  if (c.leave_out > 0 && c.count == 1)
    throw KeyError("sparseness.leave_out", fmt::format("sparseness.leave_out = {}: which units vary most over the images cannot be told of one image (images.count = 1). Leave it out.", c.leave_out));
  c.reference = s.integer("alignment.reference");
  c.layers = s.string("fast.layers");
  c.noise = noise_of(s);
  c.coarse = schedule(s, "evaluation.epochs", c.all_epochs(), fifths(c.epochs, c.second_epochs));
  c.fine = schedule(s, "evaluation.manifold_epochs", c.all_epochs(), early_and_fifths(c.epochs, c.second_epochs));
  c.centre_on_reference = s.string("alignment.centre") == "reference";
  if (c.start_file.empty() && c.centre_on_reference && s.integer("alignment.reference") < 8)
    throw KeyError("alignment.reference",
        fmt::format("alignment.reference = {}: the mean of so few images is no centre. Give at least 8, or set "
                    "alignment.centre = \"set\".",
                    s.integer("alignment.reference")));
  return c;
}

bool FamiliarityConfig::reads_figures() const {
  return std::ranges::any_of(readouts, [](const auto& name) { return find_read_out(name).by_figure(); });
}

bool FamiliarityConfig::changes_encoder() const {
  return form.qkv == Qkv::kFull || form.own_slow || (form.rest != Rest::kDecoder && form.rest != Rest::kNothing);
}

bool is_chosen(const std::vector<std::string>& names, const std::string& metric) {
  return names.empty() || std::ranges::any_of(names, [&](const auto& name) { return metric == name || metric.starts_with(name + "."); });
}

std::vector<const FamiliarityMetric*> chosen_metrics(const std::vector<std::string>& names) {
  std::vector<const FamiliarityMetric*> out;
  std::vector<std::string> known = {"loss"};
  for (const auto* file : familiarity_metric_files()) {
    if (std::ranges::any_of(file->values, [&](const auto& value) { return is_chosen(names, value.name); })) out.push_back(file);
    for (const auto& value : file->values) known.push_back(value.name), known.push_back(value.name.substr(0, value.name.find('.')));
  }
  for (const auto& name : names)
    if (std::ranges::find(known, name) == known.end()) {
      const auto meant = nearest(name, known);
      throw KeyError("evaluation.metrics", fmt::format("evaluation.metrics: there is no metric \"{}\".{} `palimpsest init familiarity` lists them.", name,
                                   meant ? fmt::format(" Did you mean {}?", *meant) : ""));
    }
  return out;
}

std::vector<std::int64_t> layers_of(const std::string& words, std::int64_t depth, const char* key) {
  std::vector<std::int64_t> out;
  const auto range = [&](std::int64_t begin, std::int64_t end, std::int64_t step) {
    for (std::int64_t i = begin; i < end; i += step) out.push_back(i);
    return out;
  };
  if (words == "all") return range(0, depth, 1);
  if (words == "early") return range(0, std::max<std::int64_t>(1, depth / 2), 1);
  if (words == "late") return range(depth / 2, depth, 1);
  if (words == "alternate") return range(0, depth, 2);
  const char* at = words.data();
  const char* const end = at + words.size();
  while (at < end) {
    std::int64_t layer = -1;
    const auto [next, error] = std::from_chars(at, end, layer);
    if (error != std::errc{} || (next != end && *next != ','))
      throw KeyError(key, fmt::format("{} = \"{}\" names no blocks. Write all, early, late, alternate, or block numbers such as \"0,3\".", key, words));
    if (layer < 0 || layer >= depth)
      throw KeyError(key, fmt::format("{} = \"{}\": there is no block {}; the slow weights have blocks 0 to {}. Name some of these.",
                                      key, words, layer, depth - 1));
    out.push_back(layer);
    at = next == end ? end : next + 1;
  }
  if (out.empty())
    throw KeyError(key, fmt::format("{} is empty. Write all, early, late, alternate, or block numbers such as \"0,3\".", key));
  return out;
}

}  // namespace palimpsest
