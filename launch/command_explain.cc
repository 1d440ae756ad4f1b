#include <algorithm>
#include <chrono>
#include <cstdio>

#include <fmt/format.h>

#include "launch/commands.h"
#include "launch/run_argument.h"
#include "launch/run_story.h"
#include "launch/sweep_status.h"
#include "runtime/clock.h"
#include "runtime/progress.h"

namespace palimpsest {
namespace {

// How the sweep was started last.
std::string last_command(const RunRecord& record) {
  if (record.sessions.empty()) return "palimpsest sweep";
  const auto& facts = record.sessions.rbegin()->second.provenance;
  const auto command = facts.find("command");
  return command == facts.end() ? "palimpsest sweep" : command->second;
}

std::string explain_waiting(const RunRecord& record, const SweepStatus& status, const std::vector<Attempt>& in_flight) {
  const auto mine = std::ranges::find(in_flight, record.run.spec.id, &Attempt::run);
  if (!record.run.asked) return "the definition as it is now does not ask for it. Put its values back and sweep again.";
  if (!status.running)
    return fmt::format("nobody is at work on this sweep. It is run by\n  {}", last_command(record));
  if (mine != in_flight.end()) {
    const auto open = std::ranges::count(in_flight, mine->pack, &Attempt::pack);
    return fmt::format("it is being run: in pack {} with {} runs open, on {}, rank {}, for {}.", mine->pack, open, mine->host.str(), mine->rank,
                       duration_text(unix_time() - mine->started));
  }
  const auto flying = static_cast<std::int64_t>(in_flight.size());
  std::string text = fmt::format("it is in line: {} runs wait, and {} packs with {} runs are at work.", status.runs.waiting - flying, status.packs.size(), flying);
  if (status.seconds_left) text += fmt::format(" All will be through in about {}.", duration_text(*status.seconds_left));
  return text;
}

std::string lost_text(const RunRecord& record, const std::vector<Attempt>& in_flight) {
  const bool flying = std::ranges::find(in_flight, record.run.spec.id, &Attempt::run) != in_flight.end();
  const auto ended = std::ranges::count_if(record.attempts, [](const PastAttempt& one) { return one.outcome != Outcome::kDone && one.outcome != Outcome::kFailed; });
  const auto lost = ended - (flying ? 1 : 0);
  if (lost == 0) return "";
  return fmt::format("\nIt was handed out {} before without a result: its worker or its coordinator was stopped or lost.", lost == 1 ? "once" : fmt::format("{} times", lost));
}

std::string explanation(const RunRecord& record, const Ledger& ledger, const std::filesystem::path& results, bool running) {
  const LedgerRun& run = record.run;
  std::string text = run_words(run) + ": ";
  if (run.state == RunState::kDone) return text + fmt::format("it has run: done {}, on {}.\n", date_text(run.finished), run.host);
  if (run.state == RunState::kFailed)
    return text + fmt::format("it has run and failed {}: {}\n  to run it again: {} --retry-{}\n", date_text(run.finished), run.reason, last_command(record),
                              run.quarantined ? "quarantined" : "failed");
  const std::vector<Attempt> in_flight = running ? ledger.in_flight() : std::vector<Attempt>();
  text += explain_waiting(record, status_of(ledger, running, unix_time()), in_flight) + lost_text(record, in_flight) + "\n";
  if (!record.attempts.empty()) text += attempt_lines(record) + fmt::format("More: palimpsest logs {} {}\n", results.string(), run.spec.id.substr(0, 8));
  return text;
}

}  // namespace

Run add_explain(CommandLine& command) {
  const auto argument = add_run_argument(command);
  return [argument](MpiWorld&) {
    const bool running = Ledger::held(argument->results);
    const Ledger ledger = Ledger::open_for_reading(argument->results);
    std::fputs(explanation(argument->record(ledger), ledger, argument->results, running).c_str(), stdout);
    return 0;
  };
}

}  // namespace palimpsest
