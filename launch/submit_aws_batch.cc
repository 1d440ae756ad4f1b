#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "launch/submit.h"
#include "runtime/error.h"
#include "runtime/words.h"

// A job definition, in the YAML that `aws --cli-input-yaml` reads (so that it comes with its comments), and how it is submitted.

namespace palimpsest {
namespace {

constexpr int kLargestArray = 10000;   // of AWS Batch; the least is 2

std::string container(const SubmitRequest& request, const std::string& line, const std::string& margin) {
  const int ranks = request.ranks_per_node;
  const bool efs = request.volume.starts_with("fs-");
  std::string text = fmt::format("image: {}\ncommand: [\"bash\", \"-c\", {}]\nresourceRequirements:\n- {{type: VCPU, value: \"{}\"}}\n- {{type: MEMORY, value: \"{}\"}}   # MiB\n", in_quotes(request.image), in_quotes(line),
                                 ranks * request.cores_per_rank, static_cast<long long>(std::ceil(ranks * request.memory_per_rank * 1024)));
  if (request.gpus_per_node > 0) text += fmt::format("- {{type: GPU, value: \"{}\"}}\n", request.gpus_per_node);
  if (!request.role.empty()) text += fmt::format("jobRoleArn: {}\n", in_quotes(request.role));
  text += "linuxParameters: {sharedMemorySize: 1024}   # MiB; ranks of a host talk through it\n";
  text += efs ? fmt::format("volumes:\n- name: data\n  efsVolumeConfiguration: {{fileSystemId: {}, transitEncryption: ENABLED}}\n", request.volume)
              : fmt::format("volumes:\n- name: data\n  host: {{sourcePath: {}}}   # of the instance; mounted there by its launch template\n", in_quotes(request.volume));
  text += fmt::format("mountPoints:\n- {{sourceVolume: data, containerPath: {}}}\n", in_quotes(request.mount));
  std::string all;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    all += margin + text.substr(at, end - at + 1);
    at = end + 1;
  }
  return all;
}

// What is stopped by the limit of an attempt is not tried again: each attempt stops by itself before (timed_line).
std::string timeout(const SubmitRequest& request) {
  return request.hours > 0 ? fmt::format("timeout: {{attemptDurationSeconds: {}}}\n", static_cast<long long>(request.hours * 3600)) : "";
}

// A spot instance that is taken back ends the job with a status reason that begins so.
std::string retries() {
  return "retryStrategy:\n  attempts: 10   # the most AWS Batch allows; each goes on where the last was\n  evaluateOnExit:\n"
         "  - {onStatusReason: \"Host EC2*\", action: RETRY}   # the instance was taken back\n"
         "  - {onExitCode: \"3\", action: RETRY}               # stopped in order, there is more to do\n"
         "  - {onExitCode: \"1\", action: EXIT}                # done, but some runs failed\n"
         "  - {onExitCode: \"2\", action: EXIT}                # wrong input\n"
         "  - {onReason: \"*\", action: RETRY}\n";
}

std::string head(const SubmitRequest& request, const char* type) {
  return fmt::format("jobDefinitionName: {}\ntype: {}\nplatformCapabilities: [EC2]\npropagateTags: true\ntags: {{project: palimpsest}}\n", job_name(request), type);
}

// A world over several instances: each runs aws-batch-node.sh of the image, which brings their addresses and a key together in the common
// folder; the first starts the ranks.
std::string one_world(const SubmitRequest& request) {
  const std::string line = fmt::format("cd {} || exit 2; exec aws-batch-node.sh {} {} {}", shell_word(request.folder), shell_word(request.mount), request.ranks_per_node, shell_word(timed_line(request, job_line(request, "", {"--hosts \"$HOSTFILE\""}))));
  return head(request, "multinode") + retries() + timeout(request) + fmt::format("nodeProperties:\n  mainNode: 0\n  numNodes: {}\n  nodeRangeProperties:\n  - targetNodes: \"0:\"\n    container:\n", request.nodes) + container(request, line, "      ");
}

std::string array_of_slices(const SubmitRequest& request) {
  const std::string line = fmt::format("cd {} || exit 2; slice=$((AWS_BATCH_JOB_ARRAY_INDEX + 1)); exec {}", shell_word(request.folder), timed_line(request, job_line(request, "\"$slice\"", {fmt::format("-n {}", request.ranks_per_node)})));
  return head(request, "container") + retries() + timeout(request) + "containerProperties:\n" + container(request, line, "  ");
}

void check(const SubmitRequest& request) {
  if (request.queue.empty()) throw InputError("submit aws-batch: which job queue? Say --queue NAME; one of a spot compute environment is the cheapest.");
  if (request.volume.empty()) throw InputError("submit aws-batch: where do results go? Say --volume fs-ID (an EFS file system) or a folder of the instances (a mounted bucket); it is mounted at " + request.mount + ".");
  if (request.slices == 1 || request.slices > kLargestArray) throw InputError(fmt::format("submit aws-batch: an array has 2 to {} slices, not {}.", kLargestArray, request.slices));
}

Submission render(const SubmitRequest& request) {
  check(request);
  std::vector<std::string> submit = {"aws", "batch", "submit-job", "--query", "jobId", "--output", "text", "--job-name", job_name(request), "--job-queue", request.queue, "--job-definition", job_name(request)};
  if (request.slices > 0) submit.insert(submit.end(), {"--array-properties", fmt::format("size={}", request.slices)});
  const std::string what = request.slices > 0 ? "an array of slices, each on an instance of its own" : "one world over several instances (multi-node parallel)";
  return {"job-definition.yaml", "# Written by `palimpsest submit aws-batch`: " + what + ".\n" + (request.slices > 0 ? array_of_slices(request) : one_world(request)),
          {{"aws", "batch", "register-job-definition", "--query", "jobDefinitionArn", "--output", "text", "--cli-input-yaml", "file://@FILE"}, submit}};
}

// What submit-job says; a definition's name (ARN) is none.
std::string id_in(const std::string& said) {
  if (said.starts_with("arn:")) return {};
  const auto end = said.find_last_not_of("\n ");
  const auto begin = said.rfind('\n', end);
  return end == std::string::npos ? "" : said.substr(begin == std::string::npos ? 0 : begin + 1, end - (begin == std::string::npos ? 0 : begin + 1) + 1);
}
std::vector<std::string> ask(const JobId& job) { return {"aws", "batch", "describe-jobs", "--jobs", job.id, "--query", "jobs[].[jobName,status,statusReason]", "--output", "text"}; }
std::vector<std::string> cancel(const JobId& job) { return {"aws", "batch", "terminate-job", "--job-id", job.id, "--reason", "palimpsest submit --cancel"}; }

}  // namespace

Engine aws_batch_engine() {
  return {"aws-batch", "a multi-node parallel job, or with --slices an array on spot instances, of AWS Batch", /*container=*/true,
          {{"--gpus", "--hours", "--stop-before", "--image", "--volume", "--mount", "--queue", "--role"}, {"--nodes"}}, render, id_in, ask, cancel};
}

}  // namespace palimpsest
