#include <fmt/core.h>

#include <cmath>
#include <sstream>

#include "launch/submit.h"
#include "runtime/error.h"
#include "runtime/words.h"

// YAML is written as text, so that it comes with its comments; the words that are put in are quoted as YAML (JSON's strings are YAML's).

namespace palimpsest {
namespace {

std::string indented(const std::string& text, int by) {
  std::istringstream in(text);
  std::string all;
  for (std::string line; std::getline(in, line);) all += (line.empty() ? "" : std::string(static_cast<std::size_t>(by), ' ')) + line + "\n";
  return all;
}

std::string resources(const SubmitRequest& request, int ranks) {
  std::string limits = fmt::format("cpu: {}\nmemory: {}Mi\n", ranks * request.cores_per_rank, static_cast<long long>(std::ceil(ranks * request.memory_per_rank * 1024)));
  if (request.gpus_per_node > 0) limits += fmt::format("nvidia.com/gpu: {}\n", request.gpus_per_node);
  return "resources:\n  requests:\n" + indented(limits, 4) + "  limits:\n" + indented(limits, 4);
}

// Without the larger /dev/shm ranks of a pod are killed by SIGBUS.
std::string mounts(const SubmitRequest& request) {
  return fmt::format("volumeMounts:\n- {{name: data, mountPath: {}}}\n- {{name: shm, mountPath: /dev/shm}}\n", in_quotes(request.mount));
}
std::string volumes(const SubmitRequest& request) {
  return fmt::format("volumes:\n- name: data\n  persistentVolumeClaim: {{claimName: {}}}\n- name: shm\n  emptyDir: {{medium: Memory, sizeLimit: 1Gi}}\n", in_quotes(request.volume));
}

std::string head(const SubmitRequest& request, const char* version, const char* kind) {
  return fmt::format("apiVersion: {}\nkind: {}\nmetadata:\n  name: {}\n  namespace: {}\n  labels: {{app: palimpsest}}\n", version, kind, job_name(request), request.space);
}

// What the launcher's pod runs. The operator has no podFailurePolicy: a launcher that fails begins another turn, whatever its code, so that what another
// turn would not mend must end with 0 there, and is told in a file.
std::string launcher(const SubmitRequest& request) {
  const std::string out = shell_word(out_of(request).string());
  return "cd " + shell_word(request.folder) + " || exit 0   # another turn would not find it either\nrm -f " + out + "/job-ended\n" +
         with_signals(timed_line(request, job_line(request, "", {"--hosts /etc/mpi/hostfile"})), "TERM INT", "TERM") +
         "# 1: done, but some runs failed, 2: wrong input: final, so no other turn. 3: stopped in order, there is more to do.\n"
         "case $code in 1 | 2)\n  mkdir -p " + out + " && echo \"palimpsest ended with $code (1: some runs failed, 2: wrong input)\" | tee " + out + "/job-ended\n  exit 0 ;;\nesac\nexit \"$code\"\n";
}

// One world over all pods: the launcher starts the ranks by ssh, with the hostfile the operator mounts. A pod that is lost ends the world;
// `launch` starts it again, and after it the operator does.
std::string mpi_job(const SubmitRequest& request) {
  std::string container = fmt::format("name: launcher\nimage: {}\ncommand:\n- bash\n- -c\n- |\n", in_quotes(request.image)) + indented(launcher(request), 2) + mounts(request) + "resources: {requests: {cpu: 100m, memory: 256Mi}}\n";
  std::string worker = fmt::format("name: worker\nimage: {}\ncommand: [\"/usr/sbin/sshd\", \"-De\"]\n", in_quotes(request.image)) + mounts(request) + resources(request, request.ranks_per_node);
  const auto replica = [&](const char* role, int count, const std::string& one) {
    return fmt::format("    {}:\n      replicas: {}\n      restartPolicy: OnFailure\n      template:\n        metadata:\n          labels: {{app: palimpsest}}\n        spec:\n          containers:\n          - ", role, count) +
           indented(one, 12).substr(12) + indented(volumes(request), 10);
  };
  return head(request, "kubeflow.org/v2beta1", "MPIJob") + fmt::format("spec:\n  slotsPerWorker: {}\n  mpiImplementation: OpenMPI\n  runPolicy:\n    cleanPodPolicy: Running   # workers go when the launcher is through\n    backoffLimit: 20          # turns of the launcher; each goes on where the last was\n  mpiReplicaSpecs:\n", request.ranks_per_node) +
         replica("Launcher", 1, container) + replica("Worker", request.nodes, worker);
}

// A pod a slice, each with a ledger of its own on the volume. A pod that was evicted or lost its node does not count as a failure.
std::string indexed_job(const SubmitRequest& request) {
  const std::string line = fmt::format("cd {} || exit 2; slice=$((JOB_COMPLETION_INDEX + 1)); exec {}", shell_word(request.folder), timed_line(request, job_line(request, "\"$slice\"", {fmt::format("-n {}", request.ranks_per_node)})));
  const std::string container = fmt::format("name: slice\nimage: {}\ncommand: [\"bash\", \"-c\", {}]\n", in_quotes(request.image), in_quotes(line)) + mounts(request) + resources(request, request.ranks_per_node);
  return head(request, "batch/v1", "Job") +
         fmt::format("spec:\n  completionMode: Indexed\n  completions: {}\n  parallelism: {}\n  backoffLimitPerIndex: 20   # turns of a slice; each goes on where the last was\n", request.slices,
                     request.at_once > 0 ? request.at_once : request.slices) +
         "  podFailurePolicy:\n    rules:\n    - action: Ignore           # evicted, preempted, node gone: again, without counting\n      onPodConditions:\n      - {type: DisruptionTarget, status: \"True\"}\n"
         "    - action: FailIndex        # 1: some runs failed, 2: wrong input: another turn would not help\n      onExitCodes: {containerName: slice, operator: In, values: [1, 2]}\n"
         "  template:\n    metadata:\n      labels: {app: palimpsest}\n    spec:\n      restartPolicy: Never\n      terminationGracePeriodSeconds: 30   # SIGTERM stops a sweep in order, within 9 s\n      containers:\n      - " +
         indented(container, 8).substr(8) + indented(volumes(request), 6);
}

Submission render(const SubmitRequest& request) {
  if (request.volume.empty()) throw InputError("submit kubernetes: where do results go? Say --volume CLAIM, a PersistentVolumeClaim that all pods can write to; it is mounted at " + request.mount + ".");
  const std::string text = std::string("# Written by `palimpsest submit kubernetes`: ") + (request.slices > 0 ? "an indexed Job, a pod a slice" : "an MPIJob of the MPI Operator, one world over all workers") + ".\n" +
                           (request.slices > 0 ? indexed_job(request) : mpi_job(request));
  return {"job.yaml", text, {{"kubectl", "apply", "-o", "name", "-f", "@FILE"}}, request.space};
}

// "job.batch/NAME"
std::string id_in(const std::string& said) { return said.substr(0, said.find('\n')); }
std::vector<std::string> ask(const JobId& job) { return {"kubectl", "get", "--namespace", job.space, job.id, "--no-headers"}; }
std::vector<std::string> cancel(const JobId& job) { return {"kubectl", "delete", "--namespace", job.space, job.id}; }

}  // namespace

Engine kubernetes_engine() {
  return {"kubernetes", "an MPIJob of the MPI Operator (v2beta1), or with --slices an indexed Job", /*container=*/true,
          {{"--gpus", "--hours", "--stop-before", "--image", "--volume", "--mount", "--namespace"}, {"--nodes"}, {"--at-once"}}, render, id_in, ask, cancel};
}

}  // namespace palimpsest
