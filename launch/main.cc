#include <algorithm>
#include <cstdio>
#include <exception>

#include <fmt/format.h>

#include "launch/command.h"
#include "launch/exit_code.h"
#include "launch/mpi_pairs.h"
#include "launch/peer_clock.h"
#include "launch/stop_signal.h"
#include "launch/watchdog.h"
#include "runtime/error.h"
#include "runtime/failure.h"
#include "runtime/mpi_world.h"
#include "runtime/settings.h"
#include "sweeps/study.h"

namespace palimpsest {
namespace {

// With its launcher gone rank 0 gets a moment to commit what it has.
constexpr std::chrono::milliseconds kGraceOfFirst{2000}, kGraceOfOthers{0};
constexpr double kMeetingSeconds = 10;  // how long ranks that are through wait for the others before they end the world

constexpr int kSilencesOfAStart = 15;   // MPI was seen to wait without end for a rank that was killed before it had begun

struct Declared {
  CommandLine* line;
  const Command* command;
  Run run;
};

std::vector<Declared> declare(CommandLine& program) {
  std::vector<Declared> declared;
  for (const Command& command : commands()) {
    CommandLine* sub = program.add_subcommand(command.name, command.help);
    declared.push_back({sub, &command, command.add(*sub)});
  }
  return declared;
}

// Its text is empty where there is nothing to say.
Failure outcome_of(const Run& run, MpiWorld& world) {
  try {
    return {run(world), {}};
  } catch (const std::exception& error) {
    return failure_of(error);
  }
}

void say(const Failure& outcome) {
  if (!outcome.text.empty()) std::fprintf(stderr, "palimpsest: %s\n", outcome.text.c_str());
}

// An error is said once: by rank 0, or, where rank 0 has none and waits for a rank that is gone, by the one that left.
int run_on_all_ranks(const Run& run, MpiWorld& world) {
  if (world.rank() == 0) announce_start();
  const Failure outcome = outcome_of(run, world);
  if (world.rank() == 0) say(outcome);
  if (!world.meet(kMeetingSeconds)) {
    if (world.rank() != 0) say(outcome);
    hand_over(outcome.exit_code);
    world.abort(outcome.exit_code);
  }
  const int code = world.rank() == 0 ? hand_over(outcome.exit_code) : 0;
  if (!world.whole()) world.leave(code);
  return code;
}

// Else ranks would wait for each other without end, or for minutes.
void end_where_hosts_are_parted(MpiWorld& world) {
  const PairTrial trial = try_pairs(world);
  if (trial.parted.empty()) return;
  const Failure outcome{2, parted_text(trial.parted, trial.hosts, kPairSeconds)};
  say(outcome);
  announce_start();
  hand_over(outcome.exit_code);
  world.abort(outcome.exit_code);
}

// The watchdog is there before MPI, which waits without end for ranks that are gone, and after it.
int run_as_rank(const Run& run, int& argc, char**& argv) {
  catch_stop_signals();
  Watchdog watchdog(MpiWorld::rank_in_environment() == 0 ? kGraceOfFirst : kGraceOfOthers);
  if (MpiWorld::started_by_launcher()) {
    const auto limit = kSilencesOfAStart * silence_limit();
    watchdog.watch_parent();
    watchdog.set_last_words(fmt::format("rank {}: MPI did not start within {} s. Another rank was lost before it had begun, or hosts cannot reach each other. The same command begins again.",
                                        MpiWorld::rank_in_environment(), limit.count()));
    watchdog.end_within(limit);
  }
  MpiWorld world(argc, argv, end_where_hosts_are_parted);
  watchdog.call_off();
  return run_on_all_ranks(run, world);
}

int run_on_first_rank(const Run& run) {
  if (MpiWorld::rank_in_environment() != 0) return 0;
  MpiWorld alone;
  const Failure outcome = outcome_of(run, alone);
  say(outcome);
  return hand_over(outcome.exit_code);
}

// CLI11 would only say that a command is required. Hidden ones are not for people.
std::string mistake_in_command(int argc, char** argv, const std::vector<Declared>& declared) {
  if (argc < 2 || argv[1][0] == '-') return {};
  std::vector<std::string> names;
  for (const Declared& one : declared) {
    if (one.line->name() == argv[1]) return {};
    if (!one.line->hidden()) names.push_back(one.line->name());
  }
  const auto meant = nearest(argv[1], names);
  return "there is no command \"" + std::string(argv[1]) + "\". " + (meant ? "Did you mean " + *meant + "?" : "See palimpsest --help.");
}

int tell(const Unparsed& unparsed) {
  if (MpiWorld::rank_in_environment() != 0) return 0;
  std::fputs(unparsed.text.c_str(), unparsed.mistake ? stderr : stdout);
  return hand_over(unparsed.mistake ? 2 : 0);
}

int main_of(int argc, char** argv) {
  add_network_studies();
  CommandLine program("Palimpsest pretrains slow weights and sweeps fast-weight runs over them.", "palimpsest");
  program.require_subcommand();
  program.version("palimpsest " PALIMPSEST_VERSION);
  const std::vector<Declared> declared = declare(program);
  if (const std::string mistake = mistake_in_command(argc, argv, declared); !mistake.empty())
    return run_on_first_rank([&](MpiWorld&) -> int { throw InputError(mistake); });
  if (const auto unparsed = program.parse(argc, argv)) return tell(*unparsed);
  for (const Declared& one : declared) {
    if (!one.line->parsed()) continue;
    if (one.command->ranks == Ranks::kFirst) return run_on_first_rank(one.run);
    return run_as_rank(one.run, argc, argv);
  }
  return 2;
}

}  // namespace
}  // namespace palimpsest

// Read by jemalloc before main: also what a large tensor took stays with the process (runtime/host_memory.h).
extern "C" const char* malloc_conf;
const char* malloc_conf = "oversize_threshold:0";

int main(int argc, char** argv) { return palimpsest::main_of(argc, argv); }
