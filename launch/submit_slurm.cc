#include <fmt/core.h>

#include <cmath>
#include <cstdlib>
#include <sstream>

#include "launch/conversation.h"
#include "launch/submit.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

constexpr int kSlurmsOwnLargestArray = 1001;   // MaxArraySize where nobody set another; the highest index is one less

// hours:minutes:seconds
std::string time_text(double hours) {
  const auto seconds = static_cast<long long>(std::ceil(hours * 3600));
  return fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds % 3600 / 60, seconds % 60);
}

int largest_array() {
  Conversation scontrol({"scontrol", "show", "config"});
  while (const auto line = scontrol.hear(std::chrono::seconds(5)))
    if (line->starts_with("MaxArraySize")) return std::atoi(line->c_str() + line->find('=') + 1);
  return kSlurmsOwnLargestArray;
}

std::string directives(const SubmitRequest& request) {
  const bool array = request.slices > 0;
  std::ostringstream text;
  const auto line = [&](const std::string& option, const char* why = nullptr) { text << "#SBATCH " << option << (why ? std::string("   # ") + why : "") << "\n"; };
  line("--job-name=" + job_name(request));
  line(fmt::format("--nodes={}", request.nodes));
  line(fmt::format("--ntasks-per-node={}", request.ranks_per_node), "ranks");
  line(fmt::format("--cpus-per-task={}", request.cores_per_rank));
  line(fmt::format("--mem-per-cpu={:.0f}M", std::ceil(request.memory_per_rank * 1024 / request.cores_per_rank)));
  if (request.gpus_per_node > 0) line(fmt::format("--gpus-per-node={}", request.gpus_per_node));
  line("--time=" + time_text(request.hours));
  line(fmt::format("--signal=B:USR1@{}", request.stop_before), "asked to stop this many seconds before the time is up");
  line("--requeue", "a lost or preempted job goes back into the queue");
  line("--open-mode=append");
  line(fmt::format("--output={}/slurm-{}.log", out_of(request).string(), array ? "%A_%a" : "%j"));
  for (const std::string& extra : request.extra) line(extra);
  return text.str();
}

// Why not simply `exec`: a job that ends with 0 within its grace time counts as completed and is not requeued, and one that ends otherwise
// counts as failed; so it asks for its own requeueing.
std::string body(const SubmitRequest& request) {
  const std::string slice = request.slices > 0 ? "\"$slice\"" : "";
  std::string text = "set -u\ncd " + shell_word(request.folder) + "\n";
  if (request.slices > 0) text += "slice=$((SLURM_ARRAY_TASK_ID + ${PALIMPSEST_FIRST_SLICE:-1} - 1))   # arrays above Slurm's limit come in parts\n";
  text += "# The time is nearly up, or a job of higher priority wants the nodes: stop in order. What is committed stays.\n" + with_signals(job_line(request, slice), "USR1 TERM", "USR1");
  text += R"sh(
# 0 done, 1 done but some runs failed, 2 wrong input: all of them final. 3: there is more to do. A job that is no longer RUNNING is being ended
# by Slurm itself, which knows whether it is to come back: one that was cancelled is not. An array's last part has the number of the whole array.
job=$SLURM_JOB_ID
[ -z "${SLURM_ARRAY_JOB_ID:-}" ] || job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
if [ "$code" -eq 3 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 100 ] && scontrol show job "$job" | grep -q JobState=RUNNING; then
  echo "palimpsest: going on in a new turn of job $job"
  scontrol requeue "$job"
fi
exit "$code"
)sh";
  return text;
}

// Parts of an array run beside each other: each has its share of what may run at once.
std::string throttle(const SubmitRequest& request, int part, int parts) {
  if (request.at_once == 0) return "";
  return fmt::format("%{}", request.at_once / parts + (part < request.at_once % parts ? 1 : 0));
}

void refuse_fewer_than_parts(const SubmitRequest& request, int parts) {
  if (request.at_once == 0 || request.at_once >= parts) return;
  throw InputError(fmt::format("submit slurm: --at-once {}: {} slices come in {} arrays here (MaxArraySize), and of each at least one job runs. Give --at-once {} or more, or fewer --slices.",
                               request.at_once, request.slices, parts, parts));
}

std::vector<std::vector<std::string>> sbatch_commands(const SubmitRequest& request) {
  if (request.slices == 0) return {{"sbatch", "--parsable", "@FILE"}};
  const int largest = largest_array() - 1, parts = (request.slices + largest - 1) / largest;
  refuse_fewer_than_parts(request, parts);
  std::vector<std::vector<std::string>> commands;
  for (int part = 0; part < parts; ++part) {
    const int first = part * largest + 1;
    commands.push_back({"sbatch", "--parsable", fmt::format("--array=1-{}{}", std::min(largest, request.slices - first + 1), throttle(request, part, parts)), fmt::format("--export=ALL,PALIMPSEST_FIRST_SLICE={}", first), "@FILE"});
  }
  return commands;
}

Submission render(const SubmitRequest& request) {
  if (request.hours <= 0) throw InputError("submit slurm: how long may the job run? Say --hours H; what is left then goes on in a new turn by itself.");
  const std::string what = request.slices > 0 ? fmt::format("{} slices, each a job of its own with a ledger of its own", request.slices) : "one job";
  std::string text = "#!/bin/bash\n# Written by `palimpsest submit slurm`: " + what + ".\n" + directives(request) + "\n" + body(request);
  return {"job.sbatch", text, sbatch_commands(request)};
}

// "1234" or "1234;cluster"
std::string id_in(const std::string& said) { return said.substr(0, said.find_first_of(";\n ")); }

std::vector<std::string> ask(const JobId& job) { return {"squeue", "--noheader", "--jobs=" + job.id, "--format=%i %T %M of %l %R"}; }
std::vector<std::string> cancel(const JobId& job) { return {"scancel", job.id}; }

}  // namespace

Engine slurm_engine() {
  return {"slurm", "a job, or with --slices an array, of Slurm", /*container=*/false, {{"--nodes", "--gpus", "--hours", "--stop-before", "--extra"}, {}, {"--at-once"}}, render, id_in, ask, cancel};
}

}  // namespace palimpsest
