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
