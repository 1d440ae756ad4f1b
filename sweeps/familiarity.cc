#include "sweeps/familiarity.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/durable_file.h"
#include "sweeps/familiarity_tables.h"

namespace palimpsest {
namespace {

const std::map<std::string, Qkv> kQkv = {{"adapter", Qkv::kAdapter}, {"full", Qkv::kFull}, {"frozen", Qkv::kFrozen}};

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

std::vector<std::int64_t> schedule(const Settings& settings, std::string_view key, std::int64_t epochs,
                                   std::vector<std::int64_t> otherwise) {
  const auto& given = settings.integers(key);
  if (given.empty()) return otherwise;
  for (std::size_t i = 0; i < given.size(); ++i)
    if (given[i] > epochs || (i > 0 && given[i] <= given[i - 1]))
      throw InputError(fmt::format("{} = [{}] must ascend and end at or before training.epochs = {}", key,
                                   fmt::join(given, ", "), epochs));
  return given;
}

NoiseConfig noise_of(const Settings& settings) {
  NoiseConfig noise{settings.numbers("noise.levels"), settings.integer("noise.patterns"),
                    settings.integer("noise.side"), settings.string("noise.stage") == "after_resize"};
  if (noise.levels.empty() || noise.levels.front() != 0 || !std::ranges::is_sorted(noise.levels, std::less_equal{}))
    throw InputError(fmt::format("noise.levels = [{}] must begin with 0 (the clean images) and ascend",
                                 fmt::join(noise.levels, ", ")));
  if (noise.levels.size() < 2) throw InputError("noise.levels needs a level above 0, such as [0, 0.3]");
  return noise;
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
    throw InputError(
        fmt::format("fast.rank = {} is above the width {} of {}: such an update is not low-rank. Lower it, or set "
                    "fast.qkv = \"full\".",
                    config.rank, slow->config.width, config.slow_weights));
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
  return fmt::format(
      "qkv={} targets={} rank={} epochs={} count={} l1={} decoder={}/{}/{}/{} slow={} noise={}x{} coarse={} fine={} "
      "centre={} images={}:{} start={}",
      settings.string("fast.qkv"), fmt::join(c.targets, "+"), c.qkv == Qkv::kAdapter ? padded_rank(c.rank) : 0,
      c.epochs, c.count, c.l1, settings.integer("decoder.width"), settings.integer("decoder.depth"),
      settings.integer("decoder.heads"), settings.number("decoder.dropout"), c.slow_weights,
      fmt::join(c.noise.levels, ","), c.noise.patterns, fmt::join(c.coarse, ","), fmt::join(c.fine, ","),
      c.centre_on_reference ? settings.integer("alignment.reference") : 0, settings.string("images.source"),
      settings.string("images.masks"), c.start_file);
}

// Multiply-adds counted twice: forward passes of the evaluations, and forward and backward of the training.
double work(const Settings& settings) {
  const auto c = parse_familiarity(settings);
  const auto e = c.start_file.empty() ? shared_slow_weights(c)->config : vit_size("micro");
  const auto d = familiarity_decoder(settings, e);
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
  return shown * encoder + 3.0 * static_cast<double>(c.epochs * c.count) * (encoder + decoder);
}

}  // namespace

// By the sizes of pretraining, else half the encoder's depth at its own width.
DecoderConfig familiarity_decoder(const Settings& settings, const VitConfig& encoder) {
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
    throw InputError(
        fmt::format("decoder.width = {} cannot be divided among decoder.heads = {}", decoder.width, decoder.heads));
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
  c.epochs = s.integer("training.epochs");
  c.learning_rate = s.number("training.learning_rate");
  c.weight_decay = s.number("training.weight_decay");
  c.l1 = s.number("training.l1");
  c.qkv = kQkv.at(s.string("fast.qkv"));
  c.targets = s.strings("fast.targets");
  if (c.qkv == Qkv::kAdapter && c.targets.empty())
    throw InputError(
        "fast.targets is empty: adapters need at least one of query, key, value, output. For none, set fast.qkv = "
        "\"frozen\".");
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
    throw InputError(
        fmt::format("alignment.reference = {}: the mean of so few images is no centre. Give at least 8, or set "
                    "alignment.centre = \"set\".",
                    s.integer("alignment.reference")));
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
      throw InputError(fmt::format(
          "fast.layers = \"{}\": write all, early, late, alternate, or block numbers such as \"0,3\"", words));
    if (layer < 0 || layer >= depth)
      throw InputError(fmt::format("fast.layers = \"{}\": there is no block {}; the slow weights have blocks 0 to {}",
                                   words, layer, depth - 1));
    out.push_back(layer);
    at = next == end ? end : next + 1;
  }
  if (out.empty())
    throw InputError("fast.layers is empty: write all, early, late, alternate, or block numbers such as \"0,3\"");
  return out;
}

const Study kFamiliarityStudy = {
    .name = "familiarity",
    .method_version = 1,
    .meaning = "familiarity training of a ViT autoencoder with fast weights (arXiv 2508.04988)",
    .unit = "image_set",
    .keys = familiarity_keys(),
    .metrics = familiarity_metrics(),
    .figures = familiarity_figures(),
    .axis_keys = {{"readout", "slow.readout"}},
    .inspect = inspect,
    .signature = signature,
    .probe_memory = probe_familiarity_memory,
    .run_pack = run_familiarity_pack,
    .work = work,
};

}  // namespace palimpsest
