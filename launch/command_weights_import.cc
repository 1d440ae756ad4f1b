#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "launch/command_weights.h"
#include "launch/given_files.h"
#include "launch/shared_options.h"
#include "models/import_weights.h"
#include "models/key_ranges.h"
#include "models/peft_adapters.h"
#include "models/told_architecture.h"
#include "models/weight_files.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

struct Options {
  ImportOptions import;
  std::filesystem::path out, base;
  std::string prefix;
  double epsilon = 0;
  bool merge = false, json = false;
};

std::string family_names() {
  std::vector<std::string> names;
  for (const auto* family : weight_families()) names.push_back(fmt::format("{} ({})", family->name, family->meaning));
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string lines(const char* word, const std::vector<std::string>& keys, const char* what) {
  std::string out = fmt::format("{:<7} {} {}\n", word, keys.size(), what);
  for (const auto& key : key_ranges(keys)) out += "          " + key + "\n";
  return out;
}

std::string as_text(const ImportedWeights& w, const Options& options) {
  const VitConfig& c = w.weights.config;
  std::string out = fmt::format("{}: {} ({}), {}\n", options.import.file.string(), w.family->name, w.family->meaning,
                                w.prefix.empty() ? "no prefix" : "prefix \"" + w.prefix + "\"");
  out += fmt::format("width {}, depth {}, heads {}, MLP {}, patch {}, side {}, {}, epsilon {}\n", c.width, c.depth,
                     c.heads, c.mlp_width, c.patch, c.side, name_of(c.activation), c.norm_epsilon);
  for (const auto& remark : w.remarks) out += "note    " + remark + "\n";
  out += lines("used", w.used, "keys");
  if (!w.kept.empty()) out += lines("kept", w.kept, "keys, for weights export alone");
  out += lines("left", w.left, "keys, which are no part of the encoder");
  for (const auto& missed : w.missed) out += "missed  " + missed + "\n";
  if (w.missed.empty()) out += "missed  0 keys\n";
  return out + "written " + options.out.string() + "\n";
}

std::string as_json(const ImportedWeights& w, const Options& options) {
  const VitConfig& c = w.weights.config;
  const nlohmann::ordered_json said = {{"family", w.family->name},
                                       {"prefix", w.prefix},
                                       {"width", c.width},
                                       {"depth", c.depth},
                                       {"heads", c.heads},
                                       {"mlp_width", c.mlp_width},
                                       {"patch", c.patch},
                                       {"side", c.side},
                                       {"activation", name_of(c.activation)},
                                       {"norm_epsilon", c.norm_epsilon},
                                       {"remarks", w.remarks},
                                       {"used", w.used},
                                       {"left", w.left},
                                       {"kept", w.kept},
                                       {"missed", w.missed},
                                       {"out", options.out.string()}};
  return said.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string as_text(const ImportedAdapters& w, const Options& options) {
  std::string out =
      fmt::format("{}: adapters of peft on modules of {}, {}, over {}\n", options.import.file.string(), w.family->name,
                  w.prefix.empty() ? "no prefix" : "prefix \"" + w.prefix + "\"", options.base.string());
  for (const auto& [map, fast] : w.weights.adapters)
    out += fmt::format("          {}: rank {}, scale {}\n", map, fast.a.size(0), fast.scale);
  out += lines("used", w.used, "keys, which is all");
  return out + fmt::format("written {}{}\n", options.out.string(),
                           options.merge ? ": slow weights with the adapters added to them" : "");
}

std::string as_json(const ImportedAdapters& w, const Options& options) {
  nlohmann::ordered_json adapters = nlohmann::ordered_json::object();
  for (const auto& [map, fast] : w.weights.adapters) adapters[map] = {{"rank", fast.a.size(0)}, {"scale", fast.scale}};
  const nlohmann::ordered_json said = {{"modules", w.family->name},
                                       {"prefix", w.prefix},
                                       {"adapters", adapters},
                                       {"used", w.used},
                                       {"out", options.out.string()}};
  return said.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

int bring_in_adapters(const Options& options) {
  if (options.base.empty())
    throw InputError(
        fmt::format("{}: holds adapters, which compute nothing without slow weights. Name those they were trained "
                    "over: --base SLOW.safetensors",
                    options.import.file.string()));
  const auto imported = import_adapters(options.import.file, options.base, options.import.heads);
  if (options.merge)
    write_slow_weights(options.out, merged(imported.weights));
  else
    write_adapted_weights(options.out, imported.weights);
  std::fputs((options.json ? as_json(imported, options) : as_text(imported, options)).c_str(), stdout);
  return 0;
}

void refuse_same_file(const std::filesystem::path& out, const std::filesystem::path& in) {
  std::error_code none;  // where one of them is not there they are not the same
  if (std::filesystem::equivalent(out, in, none))
    throw InputError(fmt::format("--out {}: is a file that is read. Name another one.", out.string()));
}

int import(Options options, bool prefix_given, bool epsilon_given) {
  if (prefix_given) options.import.prefix = options.prefix;
  if (epsilon_given) options.import.norm_epsilon = options.epsilon;
  refuse_same_file(options.out, WeightFiles(options.import.file).path());
  refuse_same_file(options.out, options.base);
  prepare_file(options.out);
  if (is_adapter_file(options.import.file)) return bring_in_adapters(options);
  const auto imported = import_weights(options.import);
  write_slow_weights(options.out, imported.weights);
  std::fputs((options.json ? as_json(imported, options) : as_text(imported, options)).c_str(), stdout);
  return 0;
}

}  // namespace

Run add_weights_import(CommandLine& command) {
  auto options = std::make_shared<Options>();
  command
      .add_option("FILE", options->import.file,
                  "safetensors file, index of several, or folder; a config.json beside it is read. Or adapters of peft")
      ->required();
  command
      .add_option("--out", options->out, "safetensors file to write: slow weights for sweeps, features and evaluate")
      ->required();
  command
      .add_option("--resolution", options->import.resolution,
                  "side of the images it is to see: position embeddings are interpolated")
      ->above_zero();
  command.add_option("--family", options->import.family,
                     "whose names the keys are, where that is not to be recognised: " + family_names());
  auto* prefix = command.add_option("--prefix", options->prefix,
                                    "what the encoder's keys begin with, where a file holds several encoders");
  command.add_option("--heads", options->import.heads, "attention heads, where no config.json tells")
      ->above_zero();
  command.add_option("--activation", options->import.activation,
                     "of the MLPs, where no config.json tells: quick_gelu, gelu, gelu_pytorch_tanh or relu");
  auto* epsilon = command.add_option("--epsilon", options->epsilon, "of the LayerNorms, where no config.json tells")
                      ->above_zero();
  command.add_option("--base", options->base,
                     "for adapters of peft: the slow weights they were trained over, imported before");
  command.add_flag("--merge", options->merge,
                   "for adapters of peft: add them to the slow weights, for what takes no adapters");
  command.add_flag("--json", options->json, "every key that was used, left or missed, for scripts");
  return [=](MpiWorld&) { return import(*options, prefix->given(), epsilon->given()); };
}

}  // namespace palimpsest
