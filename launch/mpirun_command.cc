#include "launch/mpirun_command.h"

#include <fmt/core.h>

#include "runtime/error.h"
#include "runtime/words.h"

namespace palimpsest {
namespace {

using Words = std::vector<std::string>;

void add(Words& words, const Words& more) { words.insert(words.end(), more.begin(), more.end()); }

// Open MPI 5 has its start-up's parameters apart from those of MPI.
void add_open_mpi_5(Words& words, const WorldPlan& plan) {
  add(words, {"--output", "tag"});
  if (!plan.shell.empty()) add(words, {"--prtemca", "plm_ssh_agent", joined(plan.shell, " ")});
  if (!plan.network.empty())
    add(words, {"--mca", "btl_tcp_if_include", plan.network, "--prtemca", "prte_if_include", plan.network});
  if (plan.survive) add(words, {"--with-ft", "ulfm"});
}

void add_open_mpi_4(Words& words, const WorldPlan& plan) {
  add(words, {"--tag-output"});
  if (!plan.shell.empty()) add(words, {"--mca", "plm_rsh_agent", joined(plan.shell, " ")});
  if (!plan.network.empty())
    add(words, {"--mca", "btl_tcp_if_include", plan.network, "--mca", "oob_tcp_if_include", plan.network});
}

Words mpirun_words(const Starter& starter, const WorldPlan& plan) {
  Words words = {starter.program.string()};
  if (!starter.prefix.empty()) add(words, {"--prefix", starter.prefix});
  if (starter.root) add(words, {"--allow-run-as-root"});
  starter.kind == Starter::Kind::kOpenMpi5 ? add_open_mpi_5(words, plan) : add_open_mpi_4(words, plan);
  // launch has counted the cores (mpirun counts none that a container shares).
  add(words, {"--oversubscribe", "-n", std::to_string(plan.ranks)});
  add(words, plan.bind == "numa" ? Words{"--map-by", "numa", "--bind-to", "numa"} : Words{"--bind-to", plan.bind});
  if (!plan.hostfile.empty()) {
    add(words, {"--hostfile", plan.hostfile.string()});
    for (const std::string& variable : plan.variables) add(words, {"-x", variable});
  }
  return words;
}

// --kill-on-bad-exit: a rank that is lost ends the step, so that launch starts it again.
Words srun_words(const Starter& starter, const WorldPlan& plan) {
  Words words = {starter.program.string(), "--mpi=pmix", "--label", "--kill-on-bad-exit=1", "-n", std::to_string(plan.ranks)};
  if (!plan.nodes.empty()) add(words, {fmt::format("--nodes={}", plan.nodes.size()), "--nodelist=" + joined(plan.nodes, ",")});
  if (plan.bind != "none") words.emplace_back(plan.bind == "core" ? "--cpu-bind=cores" : "--cpu-bind=ldoms");   // not every cluster can bind
  return words;
}

}  // namespace

Starter mpirun_at_hand(const std::filesystem::path& mpirun, const std::string& prefix, const std::string& library,
                       bool root) {
  const bool five = library.starts_with("Open MPI v5"), four = library.starts_with("Open MPI v4");
  if (!five && !four)
    throw InputError(
        fmt::format("launch knows the flags of Open MPI 4 and 5, and this program was built with {}. Start the command "
                    "with that MPI's mpiexec: mpiexec -n 4 palimpsest sweep ...",
                    library));
  return {five ? Starter::Kind::kOpenMpi5 : Starter::Kind::kOpenMpi4, mpirun, prefix, root};
}

std::vector<std::string> start_command(const Starter& starter, const WorldPlan& plan) {
  Words words = starter.kind == Starter::Kind::kSrun ? srun_words(starter, plan) : mpirun_words(starter, plan);
  add(words, plan.command);
  return words;
}

}  // namespace palimpsest
