#include "models/peft_adapters.h"

#include <algorithm>
#include <cmath>
#include <regex>
#include <set>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "models/kept_adapters.h"
#include "models/key_ranges.h"
#include "models/weight_files.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr std::string_view kModel = "base_model.model.";
constexpr std::string_view kWeight = ".weight";

bool ends_weight(const std::string& name) { return name.ends_with(kWeight); }
std::string without_weight(const std::string& name) { return name.substr(0, name.size() - kWeight.size()); }

json config_beside(const fs::path& adapters) {
  const auto file = adapters.parent_path() / "adapter_config.json";
  if (!fs::exists(file))
    throw InputError(
        fmt::format("{}: there is no adapter_config.json beside it, which tells the adapters' alpha. peft's "
                    "save_pretrained writes both: put it there.",
                    adapters.string()));
  auto config = json::parse(read_file(file), nullptr, false);
  if (!config.is_object()) throw InputError(fmt::format("{}: is not a JSON object. Get it again.", file.string()));
  return config;
}

void refuse_other_kinds(const json& config, const std::string& file) {
  const auto type = config.value("peft_type", std::string("LORA"));
  if (type != "LORA")
    throw InputError(fmt::format("{}: its adapters are of the kind {}, but only LORA can be imported.", file, type));
  for (const char* kind : {"use_dora", "use_qalora", "use_bdlora"})
    if (config.contains(kind) && config[kind].is_boolean() && config[kind].get<bool>())
      throw InputError(
          fmt::format("{}: was trained with {}, which computes something else than y = W x + b + s B (A x). Merge it "
                      "with peft's merge_and_unload, then import "
                      "the whole model.",
                      file, kind));
}

// peft's own rule: a key of a pattern is the end of a module's name, as a regular expression.
std::optional<double> by_pattern(const json& config, const char* name, const std::string& module,
                                 const std::string& file) {
  const auto patterns = config.value(name, json::object());
  if (!patterns.is_object()) return std::nullopt;
  for (const auto& [key, value] : patterns.items()) {
    try {
      if (std::regex_match(module, std::regex("(.*\\.)?(" + key + ")"))) return value.get<double>();
    } catch (const std::regex_error&) {
      throw InputError(fmt::format("{}: \"{}\" in {} is no regular expression. Mend it.", file, key, name));
    }
  }
  return std::nullopt;
}

double scale_of(const json& config, const std::string& module, std::int64_t rank, const std::string& file) {
  try {
    const double alpha =
        by_pattern(config, "alpha_pattern", module, file).value_or(config.at("lora_alpha").get<double>());
    const auto r = static_cast<double>(rank);
    return config.value("use_rslora", false) ? alpha / std::sqrt(r) : alpha / r;
  } catch (const json::exception& e) {
    throw InputError(fmt::format("{}: {}. It must tell lora_alpha, a number.", file, e.what()));
  }
}

// A module of another library and what it is here.
struct FoundModule {
  const WeightFamily* family;
  std::string prefix;
  std::vector<std::string> maps;  // ours; several where the library has them in one
};

std::vector<FoundModule> modules_named(const std::string& module) {
  std::vector<FoundModule> found;
  const auto block = block_key("." + module + ".").block;
  for (const auto* family : weight_families())
    for (const auto& map : family->maps)
      for (const auto& spelling : map.theirs) {
        if (!ends_weight(spelling) || !ends_weight(map.ours.front())) continue;
        const auto name = at_block(without_weight(spelling), std::max<std::int64_t>(block, 0));
        if (!module.ends_with(name)) continue;
        const auto prefix = module.substr(0, module.size() - name.size());
        if (!prefix.empty() && prefix.back() != '.') continue;
        std::vector<std::string> maps;
        for (const auto& ours : map.ours)
          maps.push_back(at_block(without_weight(ours), std::max<std::int64_t>(block, 0)));
        found.push_back({family, prefix, maps});
      }
  return found;
}

FoundModule module_named(const std::string& module, const std::string& key, const fs::path& file) {
  const auto found = modules_named(module);
  if (found.empty() || found.front().prefix.find("text") != std::string::npos)
    throw InputError(
        fmt::format("{}: {} is an adapter of {}, and the encoder has no such map. Adapters of attention (query, key, "
                    "value, output), MLP and patch "
                    "embedding can be imported.",
                    file.string(), key, module));
  return found.front();
}

at::Tensor as_matrix(const at::Tensor& value) { return value.to(at::kFloat).flatten(1).contiguous(); }

class TakingAdapters {
 public:
  TakingAdapters(const WeightFiles& files, ImportedAdapters& out)
      : files_(files), config_(config_beside(files.path())), out_(out) {
    config_file_ = (files.path().parent_path() / "adapter_config.json").string();
    refuse_other_kinds(config_, config_file_);
  }

  void take() {
    std::vector<std::string> others;
    for (const auto& key : files_.keys()) {
      if (key.ends_with(".lora_A.weight"))
        take_one(key);
      else if (!key.ends_with(".lora_B.weight"))
        others.push_back(key);
    }
    if (!others.empty())
      throw InputError(
          fmt::format("{}: holds {} besides adapters: trained biases or modules saved whole, which would be lost. "
                      "Merge it with peft's merge_and_unload, then "
                      "import the whole model.",
                      files_.path().string(), fmt::join(key_ranges(others), ", ")));
    if (out_.used.empty())
      throw InputError(fmt::format("{}: holds no adapter (no key ends in .lora_A.weight)", files_.path().string()));
  }

 private:
  void take_one(const std::string& key_a) {
    const auto key_b = key_a.substr(0, key_a.size() - std::string_view(".lora_A.weight").size()) + ".lora_B.weight";
    if (!files_.find(key_b))
      throw InputError(
          fmt::format("{}: has {} but not {}. It was cut short: get it again.", files_.path().string(), key_a, key_b));
    auto module = key_a.substr(0, key_a.size() - std::string_view(".lora_A.weight").size());
    if (module.starts_with(kModel)) module.erase(0, kModel.size());
    const auto found = module_named(module, key_a, files_.path());
    remember(found, key_a);
    const auto a = as_matrix(files_.read(key_a)), b = as_matrix(files_.read(key_b));
    const double scale = scale_of(config_, module, a.size(0), config_file_);
    const auto parts = b.chunk(std::ssize(found.maps));
    for (std::size_t i = 0; i < found.maps.size(); ++i) put(found.maps[i], key_a, {a, parts.at(i).contiguous(), scale});
    out_.used.insert(out_.used.end(), {key_a, key_b});
  }

  void put(const std::string& map, const std::string& key, OneAdapter fast) {
    if (!out_.weights.slow.encoder.contains(map + ".weight"))
      throw InputError(
          fmt::format("{}: {} is of {}, which the slow weights have not: they have {} blocks. Give the weights that it "
                      "was trained over.",
                      files_.path().string(), key, map, out_.weights.slow.config.depth));
    out_.weights.adapters[map] = std::move(fast);
  }

  void remember(const FoundModule& found, const std::string& key) {
    if (out_.family && out_.prefix != found.prefix)
      throw InputError(
          fmt::format("{}: holds adapters of several encoders, behind \"{}\" and \"{}\" ({}). Save those of one.",
                      files_.path().string(), out_.prefix, found.prefix, key));
    out_.family = found.family;
    out_.prefix = found.prefix;
  }

  const WeightFiles& files_;
  json config_;
  std::string config_file_;
  ImportedAdapters& out_;
};

// What peft wants for one module of the other library.
struct PeftModule {
  at::Tensor a, b;
  double alpha;
};

double tidy(double alpha) {
  return std::abs(alpha - std::round(alpha)) < 1e-9 * std::max(1.0, std::abs(alpha)) ? std::round(alpha) : alpha;
}

json number(double value) { return value == std::floor(value) ? json(static_cast<std::int64_t>(value)) : json(value); }

// Several maps of ours are one of theirs: they can share it where their A and scale are the same.
PeftModule fused(const std::vector<OneAdapter>& parts, const std::string& module, const WeightFamily& family) {
  std::vector<at::Tensor> below;
  for (const auto& part : parts) {
    if (!at::equal(part.a, parts.front().a) || part.scale != parts.front().scale)
      throw InputError(
          fmt::format("{} has {} in one map, where peft keeps one A, and these adapters have three. Export with "
                      "--modules clip or vit.",
                      family.name, module));
    below.push_back(part.b);
  }
  return {parts.front().a, at::cat(below), tidy(parts.front().scale * static_cast<double>(parts.front().a.size(0)))};
}

std::map<std::string, PeftModule> peft_modules(const AdaptedWeights& weights, const WeightFamily& family,
                                               const std::string& prefix) {
  std::map<std::string, PeftModule> out;
  std::set<std::string> given;
  for (const auto& map : family.maps) {
    if (!ends_weight(map.ours.front()) || !ends_weight(map.theirs.front())) continue;
    for (std::int64_t block = 0; block < (in_blocks(map.theirs.front()) ? weights.slow.config.depth : 1); ++block) {
      std::vector<OneAdapter> parts;
      for (const auto& ours : map.ours)
        if (const auto found = weights.adapters.find(at_block(without_weight(ours), block));
            found != weights.adapters.end()) {
          parts.push_back(found->second);
          given.insert(found->first);
        }
      const auto module = prefix + at_block(without_weight(map.theirs.front()), block);
      if (parts.empty()) continue;
      if (parts.size() != map.ours.size())
        throw InputError(fmt::format(
            "{} has {} in one map, and not all of its parts have adapters. Export with --modules clip or vit.",
            family.name, module));
      out[module] = fused(parts, module, family);
    }
  }
  for (const auto& [map, fast] : weights.adapters)
    if (!given.contains(map))
      throw InputError(fmt::format("models of {} have no module for the adapter of {}. Export with --modules clip.",
                                   family.name, map));
  return out;
}

json adapter_config(const std::map<std::string, PeftModule>& modules) {
  const auto& [first, typical] = *modules.begin();
  json ranks = json::object(), alphas = json::object(), targets = json::array();
  for (const auto& [module, fast] : modules) {
    targets.push_back(module);
    // Dots stand for themselves in peft's patterns well enough: no module's name has another character in such a place.
    if (fast.a.size(0) != typical.a.size(0)) ranks[module] = fast.a.size(0);
    if (fast.alpha != typical.alpha) alphas[module] = number(fast.alpha);
  }
  return {{"peft_type", "LORA"},
          {"r", typical.a.size(0)},
          {"lora_alpha", number(typical.alpha)},
          {"target_modules", targets},
          {"rank_pattern", ranks},
          {"alpha_pattern", alphas},
          {"lora_dropout", 0.0},
          {"bias", "none"},
          {"fan_in_fan_out", false},
          {"inference_mode", true},
          {"use_rslora", false},
          {"task_type", nullptr},
          {"base_model_name_or_path", nullptr}};
}

// Linear maps as they are; of the patch embedding, a convolution, as peft's convolutions.
void add_tensors(TensorMap& tensors, const std::string& module, const PeftModule& fast, std::int64_t patch) {
  const bool convolution = fast.a.size(1) == 3 * patch * patch && module.find("patch") != std::string::npos;
  const auto r = fast.a.size(0);
  tensors[fmt::format("{}{}.lora_A.weight", kModel, module)] = convolution ? fast.a.view({r, 3, patch, patch}) : fast.a;
  tensors[fmt::format("{}{}.lora_B.weight", kModel, module)] = convolution ? fast.b.view({-1, r, 1, 1}) : fast.b;
}

}  // namespace

bool is_adapter_file(const fs::path& file) {
  const auto keys = WeightFiles(file).keys();
  return std::ranges::any_of(keys, [](const std::string& key) { return key.ends_with(".lora_A.weight"); }) &&
         std::ranges::none_of(keys,
                              [](const std::string& key) { return key.find(".base_layer.") != std::string::npos; });
}

ImportedAdapters import_adapters(const fs::path& adapters, const fs::path& base, std::int64_t heads) {
  const WeightFiles files(adapters);
  ImportedAdapters out;
  out.weights.slow = read_slow_weights(base, heads);
  TakingAdapters(files, out).take();
  try {
    adapted_encoder(out.weights);  // checks every adapter against its map
  } catch (const InputError& e) {
    throw InputError(fmt::format("{}: {}", files.path().string(), e.what()));
  }
  return out;
}

ExportedAdapters export_adapters(const fs::path& weights, const fs::path& out, const WeightFamily& family,
                                 const std::string& prefix) {
  const auto adapted = read_adapters(weights);
  if (adapted.adapters.empty())
    throw InputError(
        fmt::format("{}: has no adapters. Export it to a family of whole weights instead.", weights.string()));
  const auto modules = peft_modules(adapted, family, prefix);
  TensorMap tensors;
  for (const auto& [module, fast] : modules) add_tensors(tensors, module, fast, adapted.slow.config.patch);
  ExportedAdapters said{.written = {}, .config = out.parent_path() / "adapter_config.json"};
  for (const auto& [name, value] : tensors) said.written.push_back(name);
  write_tensors(out, tensors, {{"format", "pt"}});
  write_durably(said.config, adapter_config(modules).dump(2) + "\n");
  return said;
}

}  // namespace palimpsest
