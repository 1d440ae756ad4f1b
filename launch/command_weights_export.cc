#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "launch/command_weights.h"
#include "launch/given_files.h"
#include "launch/shared_options.h"
#include "launch/trained_run.h"
#include "models/export_weights.h"
#include "models/kept_adapters.h"
#include "models/key_ranges.h"
#include "models/peft_adapters.h"
#include "runtime/error.h"
#include "runtime/safetensors.h"

namespace palimpsest {
namespace {

constexpr const char* kAdaptersAlone = "peft";  // beside the families

std::string as_text(const ExportedWeights& said, const ExportOptions& options) {
  std::string out = fmt::format("{} as {}: {} keys\n", options.weights.string(), options.family, said.written.size());
  for (const auto& key : key_ranges(said.written)) out += "          " + key + "\n";
  if (!said.left.empty())
    out += fmt::format("left    {} keys, which no other library has a place for: {}\n", said.left.size(),
                       fmt::join(key_ranges(said.left), ", "));
  if (!said.filled.empty()) out += fmt::format("zeros   {}\n", fmt::join(key_ranges(said.filled), ", "));
  if (!said.note.empty()) out += "note    " + said.note + "\n";
  out += "written " + options.out.string() + "\n";
  if (!said.config.empty()) out += "written " + said.config.string() + "\n";
  return out + "load    " + said.how_to_load + "\n";
}

std::string as_json(const ExportedWeights& said, const ExportOptions& options) {
  const nlohmann::ordered_json json = {
      {"family", options.family},    {"written", said.written},        {"left", said.left}, {"zeros", said.filled},
      {"out", options.out.string()}, {"config", said.config.string()}, {"note", said.note}, {"load", said.how_to_load}};
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

void check_family(const std::string& name) {
  try {
    weight_family(name);
  } catch (const InputError& error) {
    throw InputError(fmt::format("{} Or {}, for the adapters alone.", error.what(), kAdaptersAlone));
  }
}

// Over other weights than those they learned in they make another network.
std::string what_adapters_lie_over(const std::filesystem::path& weights) {
  if (!are_adapters_alone(SafetensorsFile(weights).metadata()))
    return fmt::format("MODEL is the encoder they are in: palimpsest weights export {} --family NAME --out FILE writes it without them", weights.string());
  return are_whole_encoder(weights) ? "MODEL is the slow weights that the run began with"
                                    : "the run's encoder learned beside them: over its slow weights they are not its network, which --family NAME gives whole";
}

int give_adapters(const ExportOptions& options, const std::string& modules, const std::string& prefix, bool json) {
  const auto said = export_adapters(options.weights, options.out, weight_family(modules), prefix);
  const std::string note = what_adapters_lie_over(options.weights);
  if (json) {
    const nlohmann::ordered_json all = {
        {"written", said.written}, {"out", options.out.string()}, {"config", said.config.string()}, {"note", note}};
    fmt::print("{}\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return 0;
  }
  fmt::print("{} as adapters of peft on modules of {}: {} keys\n", options.weights.string(), modules,
             said.written.size());
  for (const auto& key : key_ranges(said.written)) fmt::print("          {}\n", key);
  fmt::print("note    {}\nwritten {}\nwritten {}\nload    peft.PeftModel.from_pretrained(MODEL, \"{}\")\n", note, options.out.string(),
             said.config.string(), std::filesystem::absolute(options.out).parent_path().string());
  return 0;
}

}  // namespace

Run add_weights_export(CommandLine& command) {
  struct Options {
    ExportOptions weights;
    std::string run, prefix, modules = "clip";
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  std::vector<std::string> names;
  for (const auto* family : weight_families()) names.push_back(fmt::format("{} ({})", family->name, family->meaning));
  command.add_option("WEIGHTS", options->weights.weights, "slow weights: made by pretrain, or imported; or, with --run, the results folder of a sweep")->required();
  command.add_option("--run", options->run, "the network of this run of a sweep (the beginning of its id, or its number); trained again where it was not kept")
      ->type_name("ID");
  command
      .add_option("--family", options->weights.family,
                  fmt::format("whose names the keys are to bear: {}; or peft: the adapters in WEIGHTS alone",
                              fmt::join(names, ", ")))
      ->required();
  command
      .add_option("--out", options->weights.out,
                  "safetensors file to write; the config that the library reads goes beside it")
      ->required();
  auto* prefix = command.add_option("--prefix", options->prefix,
                                    "before every key, e.g. vision_model. for the older spelling of clip");
  command.add_option("--modules", options->modules,
                     "for peft: the family whose modules the adapters go to (default clip)");
  command.add_option("--dtype", options->weights.dtype, "float32 (default), float16 or bfloat16");
  command.add_option("--heads", options->weights.heads, "attention heads, where the weights do not tell")
      ->above_zero();
  command.add_flag("--merge", options->weights.merge, "add the adapters in WEIGHTS to the weights");
  command.add_flag("--json", options->json, "for scripts");
  return [=](MpiWorld&) {
    if (prefix->given()) options->weights.prefix = options->prefix;
    const bool adapters_alone = options->weights.family == kAdaptersAlone;
    if (!adapters_alone) check_family(options->weights.family);
    options->weights.weights = weights_given(options->weights.weights, options->run, adapters_alone ? NetworkPart::kAdapters : NetworkPart::kEncoder);
    if (std::filesystem::exists(options->weights.out) &&
        std::filesystem::equivalent(options->weights.out, options->weights.weights))
      throw InputError(
          fmt::format("--out {}: is the file that is read. Name another one.", options->weights.out.string()));
    prepare_file(options->weights.out);
    if (adapters_alone)
      return give_adapters(options->weights, options->modules, options->prefix, options->json);
    const auto said = export_weights(options->weights);
    std::fputs((options->json ? as_json(said, options->weights) : as_text(said, options->weights)).c_str(), stdout);
    return 0;
  };
}

}  // namespace palimpsest
