#include <fmt/core.h>

#include <algorithm>

#include "launch/commands.h"
#include "launch/kind_of_definition.h"
#include "launch/process_identity.h"
#include "launch/shared_options.h"
#include "launch/submit.h"
#include "launch/submitted.h"
#include "runtime/error.h"
#include "sweeps/outline.h"

namespace palimpsest {
namespace {

constexpr double kMargin = 1.5, kStartHours = 0.1;   // of the planned time

struct Options {
  std::string engine, status_of, cancel_of;
  SubmitRequest request;
  bool print = false;
};

// What a sweep's plan says it takes on its ranks, with a margin; nothing where it is no sweep or cannot be said.
double planned_hours(const SubmitRequest& request) {
  if (!is_sweep(request)) return 0;
  std::vector<Override> overrides;
  for (std::size_t i = 0; i + 1 < request.command.size(); ++i)
    if (request.command[i] == "--set") overrides.push_back(parse_override(request.command[i + 1]));
  const Plan plan(read_sweep(request.command.at(1), overrides));
  const int ranks = request.nodes * request.ranks_per_node * std::max(1, request.slices);
  const auto memory = static_cast<std::uint64_t>(request.memory_per_rank * (1 << 30));
  return kMargin * outline(plan, ranks, memory, progressed_in(out_of(request), plan)).seconds / 3600 + kStartHours;
}

void check_command(const SubmitRequest& request) {
  if (request.command.size() < 2 || (request.command[0] != "sweep" && request.command[0] != "pretrain"))
    throw InputError("submit: what is to run? palimpsest submit slurm [options] sweep FILE.toml --out DIR (or pretrain FILE.toml --out DIR)");
  if (request.slices > 0 && !is_sweep(request)) throw InputError("submit: only a sweep can be cut into --slices.");
  out_of(request);
}

const Engine& engine_named(const std::string& name) {
  const auto at = std::ranges::find(engines(), name, &Engine::name);
  if (at == engines().end()) throw InputError("submit: there is no batch system \"" + name + "\" here. There are slurm, kubernetes, aws-batch and skypilot.");
  return *at;
}

int submit(Options& options) {
  SubmitRequest& request = options.request;
  const Engine& engine = engine_named(options.engine);
  check_command(request);
  if (request.hours == 0 && options.engine == "slurm") request.hours = planned_hours(request);   // elsewhere the definition may be on a volume
  const Submission submission = engine.render(request);
  if (options.print) {
    fmt::print("{}\n", submission.text);
    for (const auto& command : submission.commands) fmt::print("# {}\n", shown(command, submission.file_name));
    return 0;
  }
  const auto ids = hand_over_to(engine, submission, out_of(request));
  for (const std::string& id : ids) fmt::print("submitted: {} {}\n", engine.name, id);
  const std::string out = out_of(request).string();
  fmt::print("How it is: palimpsest submit --status {}\nTo stop it: palimpsest submit --cancel {}\n", out, out);
  return 0;
}

}  // namespace

Run add_submit(CommandLine& command) {
  auto options = std::make_shared<Options>();
  SubmitRequest& request = options->request;
  request.folder = std::filesystem::current_path();
  request.program = own_program();
  std::string known;
  for (const Engine& engine : engines()) known += fmt::format("  {}: {}\n", engine.name, engine.help);
  command.add_option("ENGINE", options->engine, "slurm | kubernetes | aws-batch | skypilot");
  command.add_flag("--print", options->print, "show what would be handed over, and hand over nothing");
  command.add_option("--status", options->status_of, "how what was submitted into DIR is")->type_name("DIR");
  command.add_option("--cancel", options->cancel_of, "take back what was submitted into DIR; what is committed stays")->type_name("DIR");
  command.add_option("--name", request.name, "of the job");
  command.add_option("--nodes", request.nodes, "hosts of one world")->above_zero()->capture_default_str();
  command.add_option("--ranks", request.ranks_per_node, "on each host")->above_zero()->capture_default_str();
  command.add_option("--cores", request.cores_per_rank, "for each rank")->above_zero()->capture_default_str();
  command.add_option("--gpus", request.gpus_per_node, "on each host")->between(0, 1024)->capture_default_str();
  command.add_option("--memory", request.memory_per_rank, "GiB for each rank")->above_zero()->capture_default_str();
  command.add_option("--hours", request.hours, "a job's time limit; what is left then goes on in a new turn. A sweep's is planned where it is not given")->above_zero();
  command.add_option("--stop-before", request.stop_before, "seconds before that limit at which it is asked to stop (slurm)")->between(15, 3600)->capture_default_str();
  command.add_option("--slices", request.slices, "an array of so many parts, each a job with a ledger of its own under DIR/slice-I")->above_zero();
  command.add_option("--at-once", request.at_once, "how many slices run at the same time")->above_zero();
  command.add_option("--extra", request.extra, "a line for the batch system, as --extra=--partition=gpu or --extra=--account=lab; may be given often")->allow_extra_args(false);
  command.add_option("--image", request.image, "container image (kubernetes, aws-batch, skypilot)")->capture_default_str();
  command.add_option("--volume", request.volume, "what outlives the machines: a claim (kubernetes), fs-ID or a host's folder (aws-batch), a bucket (skypilot)");
  command.add_option("--mount", request.mount, "where the volume is mounted")->capture_default_str();
  command.add_option("--folder", request.folder, "working folder of the job")->capture_default_str();
  command.add_option("--program", request.program, "palimpsest, as the job sees it")->capture_default_str();
  command.add_option("--queue", request.queue, "job queue (aws-batch)");
  command.add_option("--role", request.role, "job role (aws-batch)")->type_name("ARN");
  command.add_option("--namespace", request.space, "namespace (kubernetes)")->capture_default_str();
  command.add_option("--backup", request.backup, "folder that outlives the machine: each sweep's ledger is copied there, and taken up from there")->type_name("DIR");
  command.add_flag("!--no-spot", request.spot, "no spot instances (skypilot)");
  command.take_command();
  command.footer("palimpsest submit ENGINE [options] sweep FILE.toml --out DIR (or pretrain ...). Options come before sweep. Engines:\n" + known);
  CommandLine* app = &command;
  return [options, app](MpiWorld&) {
    if (!options->status_of.empty()) return tell_submitted(options->status_of);
    if (!options->cancel_of.empty()) return cancel_submitted(options->cancel_of);
    options->request.command = app->remaining();
    return submit(*options);
  };
}

}  // namespace palimpsest
