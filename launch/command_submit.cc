#include <fmt/core.h>

#include <algorithm>

#include "launch/commands.h"
#include "launch/definition_needs.h"
#include "launch/kind_of_definition.h"
#include "launch/launch_request.h"
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

// Some commands' words mean what is said to `submit` itself.
void refuse_said_twice(const SubmitRequest& request, const CommandLine& words) {
  if (!is_sweep(request)) return;
  if (request.slices > 0 && !words.values("--slice").empty()) throw InputError("submit: --slices gives each job its --slice. Leave --slice out.");
  if (request.slices > 0 && !words.values("--backup").empty()) throw InputError("submit: write --backup before the word sweep: each slice then has a folder of its own in it.");
}

// Mistakes are told here, not by a job that has waited for its turn. `here`: its files are those that this folder shows.
void check_words(const SubmitRequest& request, bool here) {
  const Command& command = *std::ranges::find(commands(), request.command[0], &Command::name);
  CommandLine words(command.help, command.name);
  const Run unused = command.add(words);
  if (const auto unparsed = words.parse({request.command.begin() + 1, request.command.end()}))
    throw InputError(fmt::format("{}: {}. Options of submit itself come before the word {}; see palimpsest {} --help for those after it.", command.name,
                                 unparsed->mistake ? unparsed->what.substr(0, unparsed->what.find_last_not_of('.') + 1) : "--help is no job", command.name, command.name));
  refuse_said_twice(request, words);
  if (!here) return;
  refuse_missing_weights(command.needs(definition_argument_of(words)));
  for (const std::string& out : words.values("--out")) refuse_impossible_folder(out);
}

void check_command(const SubmitRequest& request, const Engine& engine) {
  if (request.command.empty() || (request.command[0] != "sweep" && request.command[0] != "pretrain"))
    throw InputError("submit: what is to run? palimpsest submit slurm [options] sweep FILE.toml --out DIR (or pretrain FILE.toml --out DIR)");
  if (request.slices > 0 && !is_sweep(request)) throw InputError("submit: only a sweep can be cut into --slices.");
  if (!request.backup.empty() && !is_sweep(request)) throw InputError("submit: --backup copies the ledger of a sweep, and this is none. Leave it out.");
  check_words(request, !engine.container && request.folder.empty());
  out_of(request);
}

// What no engine but some reads would be believed to hold for the others, too.
void refuse_unread(const CommandLine& line, const Engine& engine, bool slices) {
  const auto has = [](const std::vector<std::string>& names, const std::string& name) { return std::ranges::find(names, name) != names.end(); };
  for (const Engine& other : engines())
    for (const auto* names : {&other.options.always, &other.options.of_one_world, &other.options.of_slices})
      for (const std::string& name : *names) {
        const OptionsRead& own = engine.options;
        if (line.values(name).empty() || has(own.always, name) || has(slices ? own.of_slices : own.of_one_world, name)) continue;
        if (has(own.of_slices, name)) throw InputError(fmt::format("submit {}: {} is for --slices. Leave it out, or say how many.", engine.name, name));
        if (has(own.of_one_world, name)) throw InputError(fmt::format("submit {}: {} is for one world: here a slice has one host. Leave it out.", engine.name, name));
        throw InputError(fmt::format("submit {}: {} means nothing there ({} reads it). Leave it out.", engine.name, name, other.name));
      }
}

void refuse_no_time(const SubmitRequest& request) {
  if (request.hours > 0 && request.hours * 3600 <= request.stop_before + 10)
    throw InputError(fmt::format("submit: --hours {:g} is less than the {} s before its end at which the job is asked to stop. Give more --hours, or fewer seconds: --stop-before.", request.hours, request.stop_before));
}

// A container has the program of its image and the volume; else the job is at home on this machine's file systems.
void complete(SubmitRequest& request, const Engine& engine) {
  if (request.folder.empty()) request.folder = engine.container ? request.mount : std::filesystem::current_path().string();
  if (request.program.empty()) request.program = engine.container ? "palimpsest" : own_program().string();
}

const Engine& engine_named(const std::string& name) {
  const auto at = std::ranges::find(engines(), name, &Engine::name);
  if (at == engines().end()) throw InputError("submit: there is no batch system \"" + name + "\" here. There are slurm, kubernetes, aws-batch and skypilot.");
  return *at;
}

int submit(Options& options, const CommandLine& line) {
  SubmitRequest& request = options.request;
  const Engine& engine = engine_named(options.engine);
  refuse_unread(line, engine, request.slices > 0);
  check_command(request, engine);
  complete(request, engine);
  if (request.hours == 0 && !engine.container) request.hours = planned_hours(request);   // in a container the definition may be on a volume
  refuse_no_time(request);
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
  command.add_option("--hours", request.hours, "time limit of a job's turn; what is left then goes on in a new one (kubernetes: 20, aws-batch: 10 at most). Under slurm a sweep's is planned where it is not given")->above_zero();
  command.add_option("--stop-before", request.stop_before, "seconds before that limit at which it is asked to stop")->between(15, 3600)->capture_default_str();
  command.add_option("--slices", request.slices, "an array of so many parts, each a job with a ledger of its own under DIR/slice-I")->above_zero();
  command.add_option("--at-once", request.at_once, "how many slices run at the same time (slurm, kubernetes)")->above_zero();
  command.add_option("--extra", request.extra, "a line for the batch system (slurm, skypilot), as --extra=--partition=gpu or --extra=--account=lab; may be given often")->allow_extra_args(false);
  command.add_option("--accelerator", request.accelerator, "kind of GPU, as A100 (skypilot)")->type_name("NAME");
  command.add_option("--image", request.image, "container image (kubernetes, aws-batch, skypilot)")->capture_default_str();
  command.add_option("--volume", request.volume, "what outlives the machines: a claim (kubernetes), fs-ID or a host's folder (aws-batch), a bucket (skypilot)");
  command.add_option("--mount", request.mount, "where the volume is mounted")->capture_default_str();
  command.add_option("--folder", request.folder, "working folder of the job; without it this one, in a container that of --mount")->type_name("DIR");
  command.add_option("--program", request.program, "palimpsest, as the job sees it; without it this one, in a container the image's");
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
    return submit(*options, *app);
  };
}

}  // namespace palimpsest
