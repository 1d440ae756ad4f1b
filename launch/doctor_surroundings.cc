#include <fmt/core.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "launch/doctor.h"

namespace palimpsest {
namespace {

std::string variable(const char* name, const char* otherwise = "?") {
  const char* value = std::getenv(name);
  return value ? value : otherwise;
}

bool on_path(const std::string& program) {
  std::istringstream folders(variable("PATH", ""));
  for (std::string folder; std::getline(folders, folder, ':');)
    if (std::filesystem::exists(std::filesystem::path(folder) / program)) return true;
  return false;
}

Finding in_slurm() {
  return {
      "Slurm",
      Grade::kGood,
      fmt::format("inside job {}, {} nodes ({}), {} tasks", variable("SLURM_JOB_ID"), variable("SLURM_JOB_NUM_NODES"),
                  variable("SLURM_JOB_NODELIST"), variable("SLURM_NTASKS", "no number of")),
      "launch takes its ranks from the allocation",
      {}};
}

Finding in_kubernetes() {
  return {"Kubernetes", Grade::kGood, fmt::format("inside pod {}", variable("HOSTNAME")),
          "what is not on a volume is gone with the pod", "Let --out be on a volume"};
}

Finding in_aws_batch() {
  return {"AWS Batch", Grade::kGood, fmt::format("inside job {}", variable("AWS_BATCH_JOB_ID")),
          "what is not copied out is gone with the instance", "Give --backup a mounted folder"};
}

}  // namespace

std::vector<Finding> examine_surroundings() {
  if (std::getenv("SLURM_JOB_ID")) return {in_slurm()};
  if (std::getenv("AWS_BATCH_JOB_ID")) return {in_aws_batch()};
  if (std::getenv("KUBERNETES_SERVICE_HOST")) return {in_kubernetes()};
  if (on_path("sbatch"))
    return {{"surroundings",
             Grade::kGood,
             "Slurm can be reached (sbatch)",
             "palimpsest submit slurm hands work to it",
             {}}};
  return {{"surroundings",
           Grade::kGood,
           "no batch system",
           "work runs on this host, and with launch --hosts on others",
           {}}};
}

}  // namespace palimpsest
