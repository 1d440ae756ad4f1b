#include <cstdio>
#include <filesystem>
#include <memory>

#include <nlohmann/json.hpp>

#include "launch/commands.h"
#include "launch/kind_of_definition.h"
#include "launch/pack_room.h"
#include "launch/results_folder.h"
#include "launch/shared_options.h"
#include "runtime/error.h"
#include "runtime/low_rank.h"
#include "runtime/step_graph.h"
#include "sweeps/claim_check.h"
#include "sweeps/outline.h"

namespace palimpsest {
namespace {

struct Options {
  std::shared_ptr<DefinitionArgument> definition;
  std::filesystem::path out;
  std::string device = "auto";
  int ranks = 1;
  bool json = false, cuda_graphs = false, fused_adapters = false;
  double probe = 0;
};

int plan(const Options& options) {
  const Plan plan(read_sweep(options.definition->file, options.definition->overrides()));
  const auto warnings = warnings_of_claims(plan);
  if (std::filesystem::exists(options.out) && !std::filesystem::is_directory(options.out))
    throw InputError(options.out.string() + ": is no folder. Name the one that results are in, or will be.");
  if (!options.out.empty()) refuse_folder_of_pretraining(options.out);
  record_steps_on_gpus(options.cuda_graphs);
  fuse_adapters_on_gpus(options.fused_adapters);
  use_device_for(*plan.definition().study, options.device);
  const PackRoom room = room_for_packs(options.ranks);
  auto progressed = options.out.empty() ? std::nullopt : progressed_in(options.out, plan);
  if (progressed) progressed->notes = read_pack_notes(options.out, machine_of_packs());
  Outline seen = outline(plan, options.ranks, room.bytes, std::move(progressed), options.probe, room.largest);
  seen.warnings.insert(seen.warnings.end(), warnings.begin(), warnings.end());
  const std::string said = options.json ? outline_json(plan, seen).dump(2) + "\n" : outline_text(plan, seen);
  std::fputs(said.c_str(), stdout);
  return 0;
}

}  // namespace

Run add_plan(CommandLine& command) {
  auto options = std::make_shared<Options>();
  options->definition = add_definition_argument(command, "the sweep's definition");
  command.add_option("--ranks", options->ranks, "workers the sweep would have")->between(1, 100000)->capture_default_str();
  add_device(command, options->device, "what its packs would be computed on, all of them here");
  add_cuda_graphs(command, options->cuda_graphs);
  add_fused_adapters(command, options->fused_adapters);
  add_out(command, options->out, "results folder: show what is done there already");
  command.add_option("--probe", options->probe, "measure for so long how fast packs of 1, 2, 4, ... runs are")->above_zero()->type_name("SECONDS");
  command.add_flag("--json", options->json, "the same as JSON");
  return [options](MpiWorld&) { return plan(*options); };
}

}  // namespace palimpsest
