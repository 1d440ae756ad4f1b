#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "launch/submit.h"
#include "runtime/error.h"
#include "runtime/words.h"

namespace palimpsest {
namespace {

std::string resources(const SubmitRequest& request) {
  const int ranks = request.ranks_per_node;
  std::string text = fmt::format("resources:\n  cpus: {}+\n  memory: {:.0f}+\n  use_spot: {}\n", ranks * request.cores_per_rank, ranks * request.memory_per_rank, request.spot ? "true" : "false");
  if (request.gpus_per_node > 0) text += fmt::format("  accelerators: {}:{}\n", request.accelerator, request.gpus_per_node);
  for (const std::string& extra : request.extra) text += "  " + extra + "\n";   // infra: aws
  return text + fmt::format("  image_id: {}\n", in_quotes("docker:" + request.image));
}

std::string bucket(const SubmitRequest& request) {
  return fmt::format("file_mounts:\n  {}:\n    name: {}   # a bucket: what is written there outlives the machines\n    mode: MOUNT\n", request.mount, in_quotes(request.volume));
}

std::string script(const SubmitRequest& request) {
  std::string text = "run: |\n  cd " + shell_word(request.folder) + "\n";
  if (request.slices > 0)
    return text + "  " + job_line(request, "\"$SLICE\"", {fmt::format("-n {}", request.ranks_per_node)}) + "\n";
  if (request.nodes == 1) return text + "  " + job_line(request, "", {fmt::format("-n {}", request.ranks_per_node)}) + "\n";
  return text + fmt::format("  [ \"$SKYPILOT_NODE_RANK\" = 0 ] || exit 0   # the first machine starts the ranks of all\n  printf '%s slots={}\\n' $SKYPILOT_NODE_IPS > hosts\n  ", request.ranks_per_node) +
         job_line(request, "", {"--hosts hosts"}) + "\n";
}

// A managed job is started again on another machine when its spot instance is taken back.
std::vector<std::vector<std::string>> commands(const SubmitRequest& request) {
  if (request.slices == 0) return {{"sky", "jobs", "launch", "--yes", "--detach-run", "--name", job_name(request), "@FILE"}};
  std::vector<std::vector<std::string>> all;
  for (int slice = 1; slice <= request.slices; ++slice)
    all.push_back({"sky", "jobs", "launch", "--yes", "--detach-run", "--name", job_name(request), "--env", fmt::format("SLICE={}", slice), "@FILE"});
  return all;
}

Submission render(const SubmitRequest& request) {
  if (request.volume.empty()) throw InputError("submit skypilot: where do results go? Say --volume BUCKET; it is mounted at " + request.mount + ".");
  if (request.gpus_per_node > 0 && request.accelerator.empty()) throw InputError("submit skypilot: GPUs of which kind? Say --accelerator A100 (sky show-gpus lists them).");
  if (request.gpus_per_node == 0 && !request.accelerator.empty()) throw InputError("submit skypilot: --accelerator " + request.accelerator + ": how many on each host? Say --gpus N.");
  const std::string what = request.slices > 0 ? "a managed job a slice" : "one world";
  std::string text = "# Written by `palimpsest submit skypilot`: " + what + ".\nname: " + job_name(request) + "\n" + fmt::format("num_nodes: {}\n", request.slices > 0 ? 1 : request.nodes);
  if (request.slices > 0) text += "envs:\n  SLICE: \"1\"   # each job is given its own\n";
  return {"job.sky.yaml", text + resources(request) + bucket(request) + script(request), commands(request)};
}

// Jobs of one submission share a name, by which they are found.
std::string id_in(const std::string& said) {
  const auto at = said.rfind("Job ID: ");
  return at == std::string::npos ? "" : said.substr(at + 8, said.find_first_not_of("0123456789", at + 8) - at - 8);
}
std::vector<std::string> ask(const JobId&) { return {"sky", "jobs", "queue"}; }
std::vector<std::string> cancel(const JobId& job) { return {"sky", "jobs", "cancel", "--yes", job.id}; }

}  // namespace

Engine skypilot_engine() {
  return {"skypilot", "managed jobs of SkyPilot, on whatever cloud is cheapest", /*container=*/true,
          {{"--gpus", "--accelerator", "--image", "--volume", "--mount", "--no-spot", "--extra"}, {"--nodes"}}, render, id_in, ask, cancel};
}

}  // namespace palimpsest
