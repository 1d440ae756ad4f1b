#include "models/import_weights.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "models/key_ranges.h"
#include "models/position_grid.h"
#include "models/taken_keys.h"
#include "models/told_architecture.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

constexpr const char* kPositions = "embeddings.position_embedding.weight";
constexpr const char* kPatches = "embeddings.patch_embedding.weight";
constexpr const char* kClass = "embeddings.class_embedding";
constexpr const char* kInterpolated = "positions interpolated";
constexpr double kClipEpsilon = 1e-5;

[[noreturn]] void refuse_unknown(const WeightFiles& files) {
  std::vector<std::string> known;
  for (const auto* family : weight_families())
    known.push_back(fmt::format("{} ({}: has {})", family->name, family->meaning, family->signs.front().back()));
  auto some = key_ranges(files.keys());
  if (some.size() > 4) some.resize(4);
  throw InputError(fmt::format("{}: its keys ({}, ...) are those of no family that is known. Families are {}.",
                               files.path().string(), fmt::join(some, ", "), fmt::join(known, "; ")));
}

[[noreturn]] void refuse_family(const WeightFiles& files, const std::string& asked,
                                const std::vector<FoundFamily>& found) {
  const auto& family = weight_family(asked);
  throw InputError(fmt::format(
      "{}: is not of the family {}: it has no key {}. {}", files.path().string(), asked, family.signs.front().back(),
      found.empty() ? "See which keys it has: palimpsest weights inspect"
                    : fmt::format("Its keys are those of {}: leave --family out.", found.front().family->name)));
}

FoundFamily family_of(const WeightFiles& files, const ImportOptions& options) {
  if (!options.family.empty()) weight_family(options.family);
  const auto all = families_of(files.keys());
  auto fitting = all;
  std::erase_if(fitting, [&](const FoundFamily& found) {
    return !options.family.empty() && options.family != found.family->name;
  });
  if (fitting.empty() && !options.family.empty()) refuse_family(files, options.family, all);
  if (fitting.empty()) refuse_unknown(files);
  std::erase_if(fitting, [&](const FoundFamily& found) { return options.prefix && *options.prefix != found.prefix; });
  if (fitting.empty())
    throw InputError(fmt::format("{}: there is no encoder behind the prefix \"{}\" in it. Leave --prefix out.",
                                 files.path().string(), *options.prefix));
  std::set<std::string> prefixes;
  for (const auto& found : fitting) prefixes.insert(found.prefix);
  if (prefixes.size() > 1)
    throw InputError(fmt::format("{}: holds several encoders, behind the prefixes \"{}\". Choose one: --prefix {}",
                                 files.path().string(), fmt::join(prefixes, "\", \""), *prefixes.rbegin()));
  return fitting.front();
}

// Widths of published transformers whose heads are not of 64.
std::int64_t heads_by_width(std::int64_t width) {
  for (const std::int64_t sixteen : {1152, 1280, 1408, 1664})
    if (width == sixteen) return 16;
  return width % 64 == 0 ? width / 64 : 0;
}

std::int64_t heads_of(const ImportOptions& options, const ToldArchitecture& told, std::int64_t width,
                      ImportedWeights& out, const std::string& file) {
  const auto checked = [&](std::int64_t heads, const std::string& who) {
    if (heads < 1 || width % heads != 0)
      throw InputError(fmt::format("{}: {} heads ({}) do not divide the width {}. Give --heads the right number.", file,
                                   heads, who, width));
    out.remarks.push_back(fmt::format("{} heads: {}", heads, who));
    return heads;
  };
  if (options.heads > 0) return checked(options.heads, "by --heads");
  if (told.heads) return checked(*told.heads, "told by " + told.by);
  if (const auto heads = heads_by_width(width); heads > 0)
    return checked(
        heads,
        fmt::format("as published models of width {} have; no config.json beside it tells. Another number: --heads",
                    width));
  throw InputError(
      fmt::format("{}: no config.json beside it tells the number of heads, and the width {} is that of no published "
                  "model. Give it: --heads N",
                  file, width));
}

void find_architecture(const ImportOptions& options, const std::filesystem::path& file,
                       const std::map<std::string, std::string>& metadata, ImportedWeights& out) {
  auto& weights = out.weights.encoder;
  VitConfig& c = out.weights.config;
  const auto& patch = weights.at(kPatches).value;
  if (patch.dim() != 4 || patch.size(1) != 3 || patch.size(2) != patch.size(3))
    throw InputError(fmt::format(
        "{}: its patch embedding is [{}], but [width, 3, patch, patch] is needed: square patches of colour images",
        file.string(), fmt::join(patch.sizes(), ", ")));
  c.width = patch.size(0);
  c.patch = patch.size(3);
  c.class_token = weights.contains(kClass);
  c.patch_bias = weights.contains("embeddings.patch_embedding.bias");
  c.pre_norm = weights.contains("pre_layrnorm.weight");
  c.final_norm = weights.contains("post_layernorm.weight");
  c.depth = 0;
  while (weights.contains(fmt::format("encoder.layers.{}.layer_norm1.weight", c.depth))) ++c.depth;
  c.mlp_width = weights.at("encoder.layers.0.mlp.fc1.weight").value.size(0);

  auto told = told_by_metadata(metadata, file);
  if (told.by.empty()) told = told_beside(file, c.width);
  c.heads = heads_of(options, told, c.width, out, file.string());
  // timm's transformers of CLIP have its norms.
  const double by_family = c.pre_norm ? std::max(out.family->norm_epsilon, kClipEpsilon) : out.family->norm_epsilon;
  c.norm_epsilon = options.norm_epsilon ? *options.norm_epsilon : told.norm_epsilon.value_or(by_family);
  c.activation = !options.activation.empty() ? activation_named(options.activation, "--activation")
                                             : told.activation.value_or(out.family->activation);
  if (options.activation.empty() && !told.activation)
    out.remarks.push_back(fmt::format("activation {}: as models of {} have. Another one: --activation",
                                      name_of(c.activation), out.family->name));
  if (!options.norm_epsilon && !told.norm_epsilon)
    out.remarks.push_back(fmt::format("LayerNorm epsilon {}: as models of {} have. Another one: --epsilon",
                                      c.norm_epsilon, out.family->name));
  c.mean = told.mean.value_or(out.family->mean);
  c.sd = told.sd.value_or(out.family->sd);
}

std::int64_t exact_root(std::int64_t n) {
  const auto root = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(n))));
  return root > 0 && root * root == n ? root : 0;
}

// The side that the positions are for. A table without a row for the class token (timm's no_embed_class) gets one of
// zeros.
void find_side(ImportedWeights& out, const std::filesystem::path& file) {
  VitConfig& c = out.weights.config;
  auto& positions = out.weights.encoder.at(kPositions).value;
  if (positions.dim() != 2 || positions.size(1) != c.width)
    throw InputError(fmt::format("{}: its positions are [{}], but [tokens, {}] are needed", file.string(),
                                 fmt::join(positions.sizes(), ", "), c.width));
  if (c.class_token && exact_root(positions.size(0)) > 0 && exact_root(positions.size(0) - 1) == 0) {
    positions = at::cat({at::zeros({1, c.width}), positions});
    out.remarks.push_back("the class token has no position in the file: it gets zeros, which is the same");
  }
  const auto grid = exact_root(positions.size(0) - (c.class_token ? 1 : 0));
  if (grid == 0)
    throw InputError(
        fmt::format("{}: its {} positions are no square of patches{}. Only models of square images can be imported.",
                    file.string(), positions.size(0), c.class_token ? " and a class token" : ""));
  c.side = grid * c.patch;
}

void change_resolution(std::int64_t side, ImportedWeights& out) {
  VitConfig& c = out.weights.config;
  if (side == 0 || side == c.side) return;
  if (side % c.patch != 0)
    throw InputError(
        fmt::format("--resolution {}: patches of {} pixels do not tile it. Choose a multiple of {}, such as {}.", side,
                    c.patch, c.patch, std::max<std::int64_t>(1, side / c.patch) * c.patch));
  auto& positions = out.weights.encoder.at(kPositions).value;
  positions = resized_positions(positions, c.class_token, side / c.patch, out.family->antialias);
  out.remarks.push_back(fmt::format("{} from {} x {} to {} x {} patches (bicubic{}, as {} does)", kInterpolated,
                                    c.grid(), c.grid(), side / c.patch, side / c.patch,
                                    out.family->antialias ? " with antialiasing" : "",
                                    out.family->antialias ? "timm" : "transformers"));
  c.side = side;
}

// Names the file's own key beside ours where a shape does not fit.
void check_shapes(const SlowWeights& weights, const std::map<std::string, std::string>& source,
                  const std::filesystem::path& file) {
  try {
    VitEncoder(weights.config, weights.encoder);
  } catch (const InputError& e) {
    const std::string said = e.what();
    for (const auto& [ours, key] : source)
      if (said.find(" " + ours + " ") != std::string::npos)
        throw InputError(fmt::format("{}: {}: {}", file.string(), key, said));
    throw InputError(fmt::format("{}: {}", file.string(), said));
  }
}

// Goes along, so that the whole comes out again equal. At another resolution it would not, and tables of positions would not fit.
void keep_the_rest(const WeightFiles& files, ImportedWeights& out) {
  if (out.left.empty()) return;
  if (std::ranges::any_of(out.remarks, [](const std::string& remark) { return remark.starts_with(kInterpolated); })) {
    out.remarks.push_back("what is no part of the encoder stays behind: it is of another resolution");
    return;
  }
  out.kept = std::exchange(out.left, {});
  for (const auto& key : out.kept) out.weights.kept[key] = files.read(key);
  const auto& companion = out.family->companion;
  if (!companion || !has_companion(out.weights.kept, *companion)) return;
  out.weights.metadata["kept.config"] = config_entries(files.path(), companion->config_keys);
  out.remarks.push_back(fmt::format("its {} is kept for weights export alone: {}", companion->what, companion->why));
}

}  // namespace

ImportedWeights import_weights(const ImportOptions& options) {
  const WeightFiles files(options.file);
  const auto found = family_of(files, options);
  auto taken = take_keys(files, found);
  ImportedWeights out{.weights = {},
                      .family = found.family,
                      .prefix = found.prefix,
                      .used = std::move(taken.used),
                      .left = std::move(taken.left),
                      .kept = {},
                      .missed = std::move(taken.missed),
                      .remarks = {}};
  out.weights.encoder = std::move(taken.encoder);
  find_architecture(options, files.path(), files.metadata(), out);
  find_side(out, files.path());
  change_resolution(options.resolution, out);
  check_shapes(out.weights, taken.source, files.path());
  out.weights.metadata = {{"imported.family", out.family->name},
                          {"imported.prefix", out.prefix},
                          {"imported.file", files.path().filename().string()}};
  keep_the_rest(files, out);
  return out;
}

}  // namespace palimpsest
