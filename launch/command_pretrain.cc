#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "launch/commands.h"
#include "launch/stop_signal.h"
#include "models/pretrain.h"
#include "runtime/log.h"
#include "runtime/mpi_world.h"

namespace palimpsest {
namespace {

struct Arguments {
  std::filesystem::path definition, out;
  std::vector<std::string> set;
};

// The ranks of a host share its cores; OMP_NUM_THREADS, where it is set, has the word.
int threads_of_rank(const MpiWorld& world) {
  if (const char* given = std::getenv("OMP_NUM_THREADS")) return std::max(1, std::atoi(given));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / world.local_size());
}

void print(const PretrainResult& result, const std::filesystem::path& out) {
  std::printf("validation loss after %lld steps: %.4f\n", static_cast<long long>(result.steps), result.validation_loss);
  for (const auto& [name, loss] : result.baselines) std::printf("  baseline, %s: %.4f\n", name.c_str(), loss);
  std::printf("slow weights: %s\npictures:     %s\n", (out / "weights.safetensors").c_str(), (out / "pictures").c_str());
}

int run(const Arguments& arguments, MpiWorld& world) {
  std::vector<Override> overrides;
  for (const auto& argument : arguments.set) overrides.push_back(parse_override(argument));
  const Settings settings = read_settings(arguments.definition, pretrain_keys(), overrides);
  open_log(world.rank());
  at::set_num_threads(1);   // an operation keeps to one thread; the threads take parts of the batch
  catch_stop_signals();
  const auto ranks = world.initialised() ? over_mpi() : single_process();
  const auto result = pretrain(settings, *ranks, {.out = arguments.out, .should_stop = stop_requested, .threads = threads_of_rank(world)});
  if (world.rank() == 0) print(result, arguments.out);
  return 0;
}

}  // namespace

Run add_pretrain(CLI::App& command) {
  auto arguments = std::make_shared<Arguments>();
  command.add_option("definition", arguments->definition, "a TOML file, e.g. sweeps/definitions/slow-micro.toml")->required();
  command.add_option("--out", arguments->out, "folder for weights.safetensors, checkpoints, pictures and losses.csv; one that holds a run goes on with it")->required();
  command.add_option("--set", arguments->set, "override a key, e.g. --set training.steps=4000 (once per key)")->allow_extra_args(false);
  command.footer("Keys of a definition: palimpsest init pretraining. Alone or under mpirun: the batch is split over the ranks.");
  return [arguments](MpiWorld& world) { return run(*arguments, world); };
}

}  // namespace palimpsest
