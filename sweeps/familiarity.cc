#include "sweeps/familiarity.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/durable_file.h"
#include "runtime/safetensors.h"

namespace palimpsest {
namespace {

const std::map<std::string, Qkv> kQkv = {{"adapter", Qkv::kAdapter}, {"full", Qkv::kFull}, {"frozen", Qkv::kFrozen}};
const std::vector<std::string> kTargets = {"query", "key", "value", "output"};

KeyTable keys() {
  using Strings = std::vector<std::string>;
  KeyTable table = {
      {.name = "slow.weights", .type = KeyType::kPath, .default_value = std::string(), .meaning = "safetensors file of the encoder, under CLIPVisionModel's key names", .sweepable = true},
      {.name = "slow.heads", .type = KeyType::kInteger, .default_value = std::int64_t{0}, .meaning = "attention heads, where the file does not tell them; 0: as it tells", .minimum = 0},
      {.name = "slow.readout", .type = KeyType::kString, .default_value = std::string("mean"), .meaning = "the read-out claims and figures use: the class token, or the mean of the patch tokens", .choices = {"cls", "mean"}, .sweepable = false},
      {.name = "images.count", .type = KeyType::kInteger, .default_value = std::int64_t{4}, .meaning = "familiar images of a set; as many novel ones are the control. Time grows with it", .minimum = 2, .maximum = 4096},
      {.name = "training.epochs", .type = KeyType::kInteger, .default_value = std::int64_t{100}, .meaning = "passes over the familiar images, all in one batch: also the optimizer steps", .minimum = 1},
      {.name = "training.learning_rate", .type = KeyType::kNumber, .default_value = 1e-4, .meaning = "of AdamW, constant", .minimum = 0, .maximum = 10},
      {.name = "training.weight_decay", .type = KeyType::kNumber, .default_value = 0.01, .meaning = "of AdamW, on every weight that trains", .minimum = 0, .maximum = 10},
      {.name = "training.l1", .type = KeyType::kNumber, .default_value = 0.1, .meaning = "weight of the absolute error beside the squared one", .minimum = 0},
      {.name = "decoder.width", .type = KeyType::kInteger, .default_value = std::int64_t{0}, .meaning = "of the fresh decoder; 0: the one of the encoder's size", .minimum = 0},
      {.name = "decoder.depth", .type = KeyType::kInteger, .default_value = std::int64_t{0}, .meaning = "layers of the decoder; 0: by the encoder's size", .minimum = 0},
      {.name = "decoder.heads", .type = KeyType::kInteger, .default_value = std::int64_t{0}, .meaning = "of the decoder; 0: by the encoder's size", .minimum = 0},
      {.name = "decoder.dropout", .type = KeyType::kNumber, .default_value = 0.1, .meaning = "in the decoder while training", .minimum = 0, .maximum = 0.95},
      {.name = "fast.qkv", .type = KeyType::kString, .default_value = std::string("adapter"), .meaning = "what changes in the queries, keys and values: a low-rank update, all, or nothing", .choices = {"adapter", "full", "frozen"}},
      {.name = "fast.rank", .type = KeyType::kInteger, .default_value = std::int64_t{8}, .meaning = "of the adapters; cost grows with it", .minimum = 1},
      {.name = "fast.alpha", .type = KeyType::kNumber, .default_value = 0.0, .meaning = "the update is scaled by alpha / rank; 0: alpha = 4 rank, a scale of 4", .minimum = 0},
      {.name = "fast.targets", .type = KeyType::kStrings, .default_value = Strings{"query", "key", "value"}, .meaning = "the maps that have adapters", .choices = kTargets, .sweepable = false},
      {.name = "fast.layers", .type = KeyType::kString, .default_value = std::string("all"), .meaning = "blocks that have adapters: all, early, late, alternate, or numbers such as \"0,3\""},
      {.name = "noise.levels", .type = KeyType::kNumbers, .default_value = std::vector<double>{0, 0.1, 0.3, 0.5}, .meaning = "shares of the pixels set to black or white in test images, from 0 upwards", .minimum = 0, .maximum = 1, .sweepable = false},
      {.name = "noise.patterns", .type = KeyType::kInteger, .default_value = std::int64_t{5}, .meaning = "noise patterns per image and level; evaluation time grows with it", .minimum = 1, .sweepable = false},
      {.name = "noise.side", .type = KeyType::kInteger, .default_value = std::int64_t{64}, .meaning = "the image is brought to this side before noise is drawn", .unit = "pixels", .minimum = 1},
      {.name = "noise.stage", .type = KeyType::kString, .default_value = std::string("before_resize"), .meaning = "draw noise at noise.side before the model's size, or on the model's own grid", .choices = {"before_resize", "after_resize"}},
      {.name = "evaluation.epochs", .type = KeyType::kIntegers, .default_value = std::vector<std::int64_t>{}, .meaning = "epochs of all measurements; empty: 0 and each fifth of the training", .minimum = 0, .sweepable = false},
      {.name = "evaluation.manifold_epochs", .type = KeyType::kIntegers, .default_value = std::vector<std::int64_t>{}, .meaning = "epochs of the manifold's measurements; empty: 0, 2, ... 20, then each fifth", .minimum = 0, .sweepable = false},
      {.name = "alignment.reference", .type = KeyType::kInteger, .default_value = std::int64_t{32}, .meaning = "other images whose mean response centres alignment.centred", .minimum = 0, .sweepable = false},
      {.name = "alignment.centre", .type = KeyType::kString, .default_value = std::string("reference"), .meaning = "centre on the reference images, or on the set's own (biased for few images)", .choices = {"reference", "set"}, .sweepable = false},
      {.name = "start.file", .type = KeyType::kPath, .default_value = std::string(), .meaning = "safetensors file of everything a run starts from (encoder.*, decoder.*, familiar, novel, noisy.*), instead of slow.weights and images", .sweepable = false},
  };
  for (const auto& key : image_keys()) table.push_back(key);
  return table;
}

std::vector<MetricInfo> metrics() {
  std::vector<MetricInfo> out = {{"loss", {"step"}, "", "training loss of the familiar images: squared error + l1 * absolute error of the reconstruction"}};
  const std::vector<std::string> noisy = {"images", "epoch", "layer", "noise", "readout"}, clean = {"images", "epoch", "layer", "readout"};
  const auto add = [&](const char* name, const auto& axes, const char* unit, const char* meaning) { out.push_back({name, axes, unit, meaning}); };
  add("alignment.cosine", noisy, "", "cosine of a layer's noisy response with the clean top-layer response to the same image");
  add("alignment.other", noisy, "", "the same with the clean top-layer responses to the other images");
  add("alignment.specificity", noisy, "", "alignment.cosine - alignment.other");
  add("alignment.centred", noisy, "", "cosine after taking the mean response to reference images off both sides");
  add("alignment.pearson_sorted", noisy, "", "correlation of sorted responses: compares only the shape of the distributions; kept for comparison");
  add("manifold.level", noisy, "", "distance to the previous noise level over the distance to other images");
  add("manifold.residual", noisy, "", "scatter within a noise level over the distance to other images");
  add("manifold.signal", noisy, "", "distance to other images at the same noise level");
  add("attention.scope", noisy, "patches", "effective number of patches attended to (exponential of the entropy)");
  add("attention.half_max_area", noisy, "", "share of patches with at least half the largest weight");
  add("attention.figure_iou", noisy, "", "overlap of the bright half of the attention map with figure or ground, the larger");
  add("attention.figure_iou_chance", noisy, "", "the same for 200 random circular shifts of the figure");
  add("sparseness.treves_rolls", clean, "", "sparseness of the clean response, 0 (all units alike) to 1 (one unit)");
  add("sparseness.hoyer", clean, "", "sparseness by the ratio of norms, 0 to 1");
  add("activity.mean", clean, "", "mean absolute response to clean images");
  add("activity.norm", clean, "", "Euclidean length of the response to clean images");
  return out;
}

std::vector<FigureInfo> figures() {
  return {
      {.title = "Alignment with the top layer, by layer", .metric = "alignment.specificity", .x = "epoch", .panel_axis = "layer", .panels = {}, .at = {{"noise", "0.3"}}, .split_axis = "images",
       .caption = "How much more a layer's response to a noisy image resembles the clean top-layer response to that image than to others (30 % noise)."},
      {.title = "Manifold: level distance", .metric = "manifold.level", .x = "epoch", .panel_axis = "layer", .panels = {"first", "middle", "last"}, .at = {{"noise", "0.3"}}, .split_axis = "images",
       .caption = "Distance between noise levels of one image relative to the distance between images. It falls fast and may rebound."},
      {.title = "Manifold: residual distance", .metric = "manifold.residual", .x = "epoch", .panel_axis = "layer", .panels = {"first", "middle", "last"}, .at = {{"noise", "0.3"}}, .split_axis = "images",
       .caption = "Scatter of noisy versions of one image relative to the distance between images."},
      {.title = "Scope of attention", .metric = "attention.scope", .x = "epoch", .panel_axis = "layer", .panels = {"first", "middle", "last"}, .at = {{"noise", "0.3"}}, .split_axis = "images",
       .caption = "Effective number of patches attended to."},
      {.title = "Attention on the figure", .metric = "attention.figure_iou", .x = "epoch", .panel_axis = "layer", .panels = {"first", "middle", "last"}, .at = {{"noise", "0.3"}}, .split_axis = "images",
       .caption = "Overlap of the attention map with figure or ground; to be read beside its chance level (tables)."},
      {.title = "Sparseness", .metric = "sparseness.treves_rolls", .x = "epoch", .panel_axis = "layer", .panels = {"first", "middle", "last"}, .at = {}, .split_axis = "images",
       .caption = "Treves-Rolls sparseness of the response to clean images."},
      {.title = "Training loss", .metric = "loss", .x = "step", .panel_axis = "", .panels = {}, .at = {}, .split_axis = "", .caption = "Reconstruction of the familiar images."},
  };
}

// 0, a fifth, ... all of the training.
std::vector<std::int64_t> fifths(std::int64_t epochs) {
  std::set<std::int64_t> out;
  for (std::int64_t k = 0; k <= 5; ++k) out.insert(epochs * k / 5);
  return {out.begin(), out.end()};
}

std::vector<std::int64_t> early_and_fifths(std::int64_t epochs) {
  std::set<std::int64_t> out;
  for (std::int64_t e = 0; e <= std::min<std::int64_t>(20, epochs); e += 2) out.insert(e);
  for (const auto e : fifths(epochs)) out.insert(e);
  return {out.begin(), out.end()};
}

std::vector<std::int64_t> schedule(const Settings& settings, std::string_view key, std::int64_t epochs, std::vector<std::int64_t> otherwise) {
  const auto& given = settings.integers(key);
  if (given.empty()) return otherwise;
  for (std::size_t i = 0; i < given.size(); ++i)
    if (given[i] > epochs || (i > 0 && given[i] <= given[i - 1]))
      throw InputError(fmt::format("{} = [{}] must ascend and end at or before training.epochs = {}", key, fmt::join(given, ", "), epochs));
  return given;
}

NoiseConfig noise_of(const Settings& settings) {
  NoiseConfig noise{settings.numbers("noise.levels"), settings.integer("noise.patterns"), settings.integer("noise.side"), settings.string("noise.stage") == "after_resize"};
  if (noise.levels.empty() || noise.levels.front() != 0 || !std::ranges::is_sorted(noise.levels, std::less_equal{}))
    throw InputError(fmt::format("noise.levels = [{}] must begin with 0 (the clean images) and ascend", fmt::join(noise.levels, ", ")));
  if (noise.levels.size() < 2) throw InputError("noise.levels needs a level above 0, such as [0, 0.3]");
  return noise;
}

std::string hash_of(const ImageSource& source, const std::vector<std::int64_t>& chosen) {
  std::string all;
  for (const auto index : chosen) all += source.hash(index) + "\n";
  return content_hash(all);
}

// Checks that a run can be had, in the order in which a user would mend it, and says what it reads.
Inputs inspect(const Settings& settings, std::int64_t image_set, std::int64_t image_sets) {
  const auto config = parse_familiarity(settings);
  Inputs inputs;
  if (!config.start_file.empty()) {
    inputs.hashes["start.file"] = file_hash(config.start_file);
    return inputs;
  }
  const auto slow = shared_slow_weights(config);
  layers_of(config.layers, slow->config.depth);
  familiarity_decoder(settings, slow->config);
  if (config.rank > slow->config.width)
    throw InputError(fmt::format("fast.rank = {} is above the width {} of {}: such an update is not low-rank. Lower it, or set fast.qkv = \"full\".", config.rank, slow->config.width, config.slow_weights));
  const auto source = shared_images(settings);
  const auto sets = choose_images(*source, settings, image_set, image_sets);
  inputs.hashes["slow.weights"] = slow->metadata.at("content");
  inputs.hashes["images.familiar"] = hash_of(*source, sets.familiar);
  inputs.hashes["images.novel"] = hash_of(*source, sets.novel);
  inputs.hashes["images.reference"] = hash_of(*source, sets.reference);
  return inputs;
}

std::string signature(const Settings& settings) {
  const auto c = parse_familiarity(settings);
  return fmt::format("qkv={} targets={} rank={} epochs={} count={} l1={} decoder={}/{}/{}/{} slow={} noise={}x{} coarse={} fine={} centre={} images={}:{} start={}", settings.string("fast.qkv"),
                     fmt::join(c.targets, "+"), c.qkv == Qkv::kAdapter ? padded_rank(c.rank) : 0, c.epochs, c.count, c.l1, settings.integer("decoder.width"), settings.integer("decoder.depth"),
                     settings.integer("decoder.heads"), settings.number("decoder.dropout"), c.slow_weights, fmt::join(c.noise.levels, ","), c.noise.patterns, fmt::join(c.coarse, ","),
                     fmt::join(c.fine, ","), c.centre_on_reference ? settings.integer("alignment.reference") : 0, settings.string("images.source"), settings.string("images.masks"), c.start_file);
}

// Multiply-adds counted twice: forward passes of the evaluations, and forward and backward of the training.
double work(const Settings& settings) {
  const auto c = parse_familiarity(settings);
  const auto e = c.start_file.empty() ? shared_slow_weights(c)->config : vit_size("micro");
  const auto d = familiarity_decoder(settings, e);
  const double tokens = static_cast<double>(e.tokens()), width = static_cast<double>(e.width), mlp = static_cast<double>(e.mlp_width), decoder_width = static_cast<double>(d.width);
  const double encoder = static_cast<double>(e.depth) * (tokens * (8 * width * width + 4 * width * mlp) + 4 * tokens * tokens * width);
  const double decoder = static_cast<double>(d.depth) * (tokens * 24 * decoder_width * decoder_width + 4 * tokens * tokens * decoder_width);
  std::set<std::int64_t> evaluations(c.coarse.begin(), c.coarse.end());
  evaluations.insert(c.fine.begin(), c.fine.end());
  const double variants = 1.0 + static_cast<double>((static_cast<std::int64_t>(c.noise.levels.size()) - 1) * c.noise.patterns);
  const double shown = static_cast<double>(evaluations.size()) * 2 * variants * static_cast<double>(c.count) + static_cast<double>(c.coarse.size()) * static_cast<double>(settings.integer("alignment.reference"));
  return shown * encoder + 3.0 * static_cast<double>(c.epochs * c.count) * (encoder + decoder);
}

}  // namespace

// By the sizes of pretraining, else half the encoder's depth at its own width.
DecoderConfig familiarity_decoder(const Settings& settings, const VitConfig& encoder) {
  DecoderConfig decoder{.input_width = encoder.width, .width = encoder.width, .depth = std::max<std::int64_t>(1, encoder.depth / 2), .heads = encoder.heads};
  for (const char* size : {"micro", "tiny", "small", "base"})
    if (vit_size(size).width == encoder.width) decoder = decoder_size(size);
  decoder.patch = encoder.patch;
  decoder.side = encoder.side;
  decoder.dropout = settings.number("decoder.dropout");
  if (const auto width = settings.integer("decoder.width")) decoder.width = width;
  if (const auto depth = settings.integer("decoder.depth")) decoder.depth = depth;
  if (const auto heads = settings.integer("decoder.heads")) decoder.heads = heads;
  if (decoder.width % decoder.heads != 0) throw InputError(fmt::format("decoder.width = {} cannot be divided among decoder.heads = {}", decoder.width, decoder.heads));
  return decoder;
}

FamiliarityConfig parse_familiarity(const Settings& s) {
  FamiliarityConfig c;
  c.slow_weights = s.string("slow.weights");
  c.slow_heads = s.integer("slow.heads");
  c.start_file = s.string("start.file");
  if (c.slow_weights.empty() && c.start_file.empty())
    throw InputError("slow.weights is not given. Name a safetensors file: `palimpsest pretrain` makes one, or export a CLIPVisionModel.");
  c.epochs = s.integer("training.epochs");
  c.learning_rate = s.number("training.learning_rate");
  c.weight_decay = s.number("training.weight_decay");
  c.l1 = s.number("training.l1");
  c.qkv = kQkv.at(s.string("fast.qkv"));
  c.targets = s.strings("fast.targets");
  if (c.qkv == Qkv::kAdapter && c.targets.empty()) throw InputError("fast.targets is empty: adapters need at least one of query, key, value, output. For none, set fast.qkv = \"frozen\".");
  c.rank = s.integer("fast.rank");
  const double alpha = s.number("fast.alpha");
  c.scale = alpha > 0 ? alpha / static_cast<double>(c.rank) : 4.0;
  c.layers = s.string("fast.layers");
  c.count = s.integer("images.count");
  c.noise = noise_of(s);
  c.coarse = schedule(s, "evaluation.epochs", c.epochs, fifths(c.epochs));
  c.fine = schedule(s, "evaluation.manifold_epochs", c.epochs, early_and_fifths(c.epochs));
  c.centre_on_reference = s.string("alignment.centre") == "reference";
  if (c.start_file.empty() && c.centre_on_reference && s.integer("alignment.reference") < 8)
    throw InputError(fmt::format("alignment.reference = {}: the mean of so few images is no centre. Give at least 8, or set alignment.centre = \"set\".", s.integer("alignment.reference")));
  return c;
}

std::vector<std::int64_t> layers_of(const std::string& words, std::int64_t depth) {
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
      throw InputError(fmt::format("fast.layers = \"{}\": write all, early, late, alternate, or block numbers such as \"0,3\"", words));
    if (layer < 0 || layer >= depth) throw InputError(fmt::format("fast.layers = \"{}\": there is no block {}; the slow weights have blocks 0 to {}", words, layer, depth - 1));
    out.push_back(layer);
    at = next == end ? end : next + 1;
  }
  if (out.empty()) throw InputError("fast.layers is empty: write all, early, late, alternate, or block numbers such as \"0,3\"");
  return out;
}

const Study kFamiliarityStudy = {
    .name = "familiarity",
    .method_version = 1,
    .meaning = "familiarity training of a ViT autoencoder with fast weights (arXiv 2508.04988)",
    .unit = "image_set",
    .keys = keys(),
    .metrics = metrics(),
    .figures = figures(),
    .inspect = inspect,
    .signature = signature,
    .probe_memory = probe_familiarity_memory,
    .run_pack = run_familiarity_pack,
    .work = work,
};

}  // namespace palimpsest
