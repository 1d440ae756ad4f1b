#include "sweeps/familiarity.h"

#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sweeps/familiarity_axes.h"
#include "sweeps/familiarity_inspect.h"
#include "sweeps/familiarity_tables.h"

namespace palimpsest {
namespace {

// What the runs of a pack may differ in: each run has its own tensor for it. All else makes another signature, so that a key that is not
// thought of here costs speed, never a number.
const std::set<std::string, std::less<>> kPerRun = {
    "training.epochs", "training.learning_rate", "training.weight_decay", "training.noise", "training.noise_kind", "training.gradient_noise", "training.l1",
    "loss.pixels", "loss.masked", "loss.features", "fast.learning_rate", "fast.ridge", "fast.decay", "fast.consolidate", "fast.rank", "fast.alpha", "fast.rank_stabilised", "fast.layers", "fast.initial",
    "test.gain", "test.layers_off", "test.heads_off", "noise.kind", "noise.side", "noise.stage", "images.seed"};

std::string signature(const Settings& settings) {
  static const Settings defaults = default_settings(familiarity_keys());
  const auto c = parse_familiarity(settings);
  std::string out = fmt::format("rank={} consolidated={} measured={}|{}", c.form.qkv == Qkv::kAdapter ? padded_rank(c.rank) : 0,
                                c.form.own_slow, fmt::join(c.coarse, ","), fmt::join(c.fine, ","));
  for (const auto& [name, weight] : {std::pair{"pixels", c.loss.pixels}, {"masked", c.loss.masked}, {"features", c.loss.features}})
    if (weight > 0) out += fmt::format(" {}", name);   // terms that one run asks for cost all of them
  if (c.second_epochs > 0) out += fmt::format(" epochs={}", c.epochs);  // else a run leaves the pack when it has had its own
  for (const auto& [name, value] : settings.values())
    if (!kPerRun.contains(name) && !(defaults.has(name) && defaults.at(name) == value)) out += fmt::format(" {}={}", name, text(value));
  return out;
}

// Multiply-adds counted twice: forward passes of the evaluations, and forward and backward of the training.
double work(const Settings& settings) {
  const auto c = parse_familiarity(settings);
  const auto slow = shared_slow_weights(c);
  const auto& e = slow->config;
  const auto d = familiarity_decoder(settings, *slow);
  const double tokens = static_cast<double>(e.tokens()), width = static_cast<double>(e.width),
               mlp = static_cast<double>(e.mlp_width), decoder_width = static_cast<double>(d.width);
  const double encoder =
      static_cast<double>(e.depth) * (tokens * (8 * width * width + 4 * width * mlp) + 4 * tokens * tokens * width);
  const double decoder = static_cast<double>(d.depth) *
                         (tokens * 24 * decoder_width * decoder_width + 4 * tokens * tokens * decoder_width);
  std::set<std::int64_t> evaluations(c.coarse.begin(), c.coarse.end());
  evaluations.insert(c.fine.begin(), c.fine.end());
  const double variants =
      1.0 + static_cast<double>((static_cast<std::int64_t>(c.noise.levels.size()) - 1) * c.noise.patterns);
  const double shown =
      static_cast<double>(evaluations.size()) * 2 * variants * static_cast<double>(c.count) +
      static_cast<double>(c.coarse.size()) * static_cast<double>(settings.integer("alignment.reference"));
  const double networks = c.test_swapped ? 2 : 1;
  double learned = 0;
  if (c.loss.whole()) learned += encoder + decoder;
  if (c.loss.features > 0) learned += encoder;
  if (c.loss.masked > 0) learned += (1 - c.loss.mask) * encoder + decoder;
  return shown * encoder + 3.0 * networks * static_cast<double>(c.all_epochs() * c.count) * learned;
}

}  // namespace

<<<<<<< HEAD
=======
// By the sizes of pretraining, else half the encoder's depth at its own width.
DecoderConfig familiarity_decoder(const Settings& settings, const SlowWeights& slow) {
  const auto& encoder = slow.config;
  if (settings.string("decoder.initial") == "slow") return decoder_of_slow_weights(settings, slow);
  if (settings.string("decoder.kind") == "linear") return linear_decoder(settings, encoder);
  DecoderConfig decoder{.input_width = encoder.width,
                        .width = encoder.width,
                        .depth = std::max<std::int64_t>(1, encoder.depth / 2),
                        .heads = encoder.heads};
  for (const char* size : {"micro", "tiny", "small", "base"})
    if (vit_size(size).width == encoder.width) decoder = decoder_size(size);
  decoder.patch = encoder.patch;
  decoder.side = encoder.side;
  decoder.dropout = settings.number("decoder.dropout");
  if (const auto width = settings.integer("decoder.width")) decoder.width = width;
  if (const auto depth = settings.integer("decoder.depth")) decoder.depth = depth;
  if (const auto heads = settings.integer("decoder.heads")) decoder.heads = heads;
  if (decoder.width % decoder.heads != 0)
    throw KeyError("decoder.heads", fmt::format("decoder.width = {} cannot be divided among decoder.heads = {}. Write a number of heads that divides it.", decoder.width,
                                                decoder.heads));
  return decoder;
}

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

>>>>>>> 08af296 (wip)
const Study& familiarity_study() {
  // Made when first asked for: the measurements' tables, in other files, are there by then.
  static const Study study = {
    .name = "familiarity",
    .method_version = 3,
    .meaning = "familiarity training of a ViT autoencoder with fast weights (arXiv 2508.04988)",
    .unit = "image_set",
    .on_gpu = true,
    .keys = familiarity_keys(),
    .metrics = familiarity_metrics(),
    .figures = familiarity_figures(),
    .axis_keys = {{"readout", "slow.readout"}},
    .matchable = {{"loss", "training.steps_per_epoch"}},
    .inspect = inspect_familiarity,
    .signature = signature,
    .probe_memory = probe_familiarity_memory,
    .run_pack = run_familiarity_pack,
    .declare = declare_familiarity,
    .work = work,
  };
  return study;
}

}  // namespace palimpsest
