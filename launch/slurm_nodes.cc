#include "launch/slurm_nodes.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "launch/conversation.h"
#include "runtime/words.h"

namespace palimpsest {
namespace {

constexpr std::chrono::seconds kPatience{10};   // with Slurm's controller

// "drain" and "drng" (its job goes on), "down*": a star is for one that does not answer.
bool is_out(const std::string& state) {
  static constexpr std::array<const char*, 6> out = {"down", "drain", "drng", "fail", "inval", "unk"};
  return state.find('*') != std::string::npos || std::ranges::any_of(out, [&](const char* word) { return state.starts_with(word); });
}

}  // namespace

bool slurm_can_be_asked() {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (access((std::filesystem::path(folder) / "srun").c_str(), X_OK) == 0) return true;
  return false;
}

std::vector<std::string> slurm_shell() {
  // srun would ask for what the environment says of the whole job.
  return {"env", "-u", "SLURM_GPUS", "-u", "SLURM_GPUS_PER_NODE", "-u", "SLURM_GPUS_PER_TASK", "-u", "SLURM_GPUS_PER_SOCKET", "-u", "SLURM_NTASKS_PER_NODE", "-u", "SLURM_NTASKS_PER_GPU",
          "srun", "--overlap", "--immediate=20", "--mpi=none", "--nodes=1", "--ntasks=1", "--nodelist"};
}

std::vector<std::string> out_of_service(const std::vector<Host>& hosts) {
  std::vector<std::string> names;
  for (const Host& host : hosts) names.push_back(host.name);
  Conversation sinfo({"sinfo", "--noheader", "--Node", "--nodes=" + joined(names, ","), "--format=%N %t"});
  std::string table;
  while (const auto line = sinfo.hear(kPatience)) table += *line + "\n";
  return out_of_service_in(table);
}

std::vector<std::string> out_of_service_in(const std::string& table) {
  std::istringstream lines(table);
  std::vector<std::string> out;
  for (std::string name, state; lines >> name >> state;)
    if (is_out(state) && std::ranges::find(out, name) == out.end()) out.push_back(name);
  return out;
}

}  // namespace palimpsest
