#include <ATen/Parallel.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "launch/commands.h"
#include "launch/given_files.h"
#include "launch/kind_of_definition.h"
#include "launch/provenance.h"
#include "launch/results_folder.h"
#include "launch/shared_options.h"
#include "launch/stop_signal.h"
#include "models/pretrain.h"
#include "runtime/agree.h"
#include "runtime/communicators.h"
#include "runtime/device.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/host_cores.h"
#include "runtime/log.h"
#include "runtime/mpi_world.h"
#include "runtime/step_graph.h"
#include "runtime/words.h"

namespace palimpsest {
namespace {

struct Arguments {
  std::shared_ptr<DefinitionArgument> definition;
  std::filesystem::path out, timeline;
  std::string device = "auto", communicator = "auto";
  bool accept_changes = false, cuda_graphs = false;
};

// The ranks of a host share its cores; OMP_NUM_THREADS, where it is set, has the word.
int threads_of_rank(const MpiWorld& world) {
  if (const char* given = std::getenv("OMP_NUM_THREADS")) return std::max(1, std::atoi(given));
  return std::max(1, host_cores().usable() / world.local_size());
}

std::string build_of_program() {
  auto facts = provenance(/*ranks=*/0);
  return facts["commit"] + ", " + facts["build"];
}

MakeStepRecorder recorder(bool cuda_graphs, bool leads) {
  if (!cuda_graphs) return {};
  if (compute_device().is_cuda()) return [] { return step_recorder(compute_device()); };
  if (leads) log().warn("--cuda-graphs records nothing on the CPU; --device cuda computes steps on a GPU.");
  return {};
}

// All ranks' spans in one file, written by the first.
void write_timeline(const std::filesystem::path& file, const Timeline& timeline, Communicator& ranks) {
  std::string events;
  for (int rank = 0; rank < ranks.world_size(); ++rank) events += (rank ? ",\n" : "") + text_of_rank(ranks, rank, timeline.events(rank));
  if (ranks.rank() == 0) write_durably(file, "[" + events + "]\n");
}

void print(const PretrainResult& result, const std::filesystem::path& out) {
  std::printf("validation loss after %lld steps: %.4f\n", static_cast<long long>(result.steps), result.validation_loss);
  for (const auto& [name, loss] : result.baselines) std::printf("  baseline, %s: %.4f\n", name.c_str(), loss);
  std::printf("slow weights: %s\npictures:     %s\n", (out / "weights.safetensors").c_str(), (out / "pictures").c_str());
}

int run(const Arguments& arguments, MpiWorld& world) {
  const Settings settings = read_pretraining(arguments.definition->file, arguments.definition->overrides());
  open_log(world.rank());
  at::set_num_threads(1);   // an operation keeps to one thread; the threads take parts of the batch
  catch_stop_signals();
  if (!world.any_thread())
    throw InputError("this MPI library lets only the first thread of a process communicate, but training computes in that one meanwhile. Use another MPI (Open MPI and MPICH will do).");
  use_device(arguments.device, world.local_rank());
  record_steps_on_gpus(arguments.cuda_graphs);
  const auto ranks = communicator_named(arguments.communicator, world);
  agree(*ranks, [&] {
    if (world.rank() != 0) return;
    refuse_folder_of_sweep(arguments.out);
    if (!arguments.timeline.empty()) prepare_file(arguments.timeline);
  });
  Timeline timeline;
  const auto result = pretrain(settings, *ranks, {.out = arguments.out,
                                                  .should_stop = stop_requested,
                                                  .threads = threads_of_rank(world),
                                                  .accept_changes = arguments.accept_changes,
                                                  .timeline = arguments.timeline.empty() ? nullptr : &timeline,
                                                  .device = compute_device(),
                                                  .recorder = recorder(arguments.cuda_graphs, world.rank() == 0),
                                                  .build = build_of_program()});
  if (!arguments.timeline.empty()) write_timeline(arguments.timeline, timeline, *ranks);
  if (world.rank() == 0) print(result, arguments.out);
  return 0;
}

}  // namespace

Run add_pretrain(CommandLine& command) {
  auto arguments = std::make_shared<Arguments>();
  arguments->definition = add_definition_argument(command, "the training's definition, e.g. sweeps/definitions/slow-micro.toml");
  add_out(command, arguments->out, "folder for weights.safetensors, checkpoints, pictures and losses.csv; one that holds a run goes on with it")->required();
  command.add_flag("--accept-changes", arguments->accept_changes, "go on with a run although its settings were others, e.g. a lower learning rate after it diverged");
  add_device(command, arguments->device, "what is trained on");
  add_cuda_graphs(command, arguments->cuda_graphs);
  std::vector<std::string> kinds;
  for (const auto& kind : communicators()) kinds.push_back(kind.name + ", " + kind.meaning);
  command.add_option("--communicator", arguments->communicator, "how ranks speak to each other: " + joined(kinds, "; "))->type_name("NAME")->capture_default_str();
  command.add_option("--timeline", arguments->timeline, "write what each rank computed and communicated when, for chrome://tracing or ui.perfetto.dev")->type_name("FILE");
  command.footer("Keys of a definition: palimpsest init pretraining. Alone or under mpirun: the batch is split over the ranks.");
  return [arguments](MpiWorld& world) { return run(*arguments, world); };
}

}  // namespace palimpsest
