#include <fmt/core.h>

#include "launch/commands.h"
#include "launch/run_argument.h"
#include "launch/device_of_run.h"
#include "launch/device_text.h"
#include "launch/provenance.h"
#include "launch/reproduction.h"
#include "launch/run_story.h"
#include "launch/stop_signal.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "sweeps/report.h"

namespace palimpsest {
namespace {

void tell_metrics(const Reproduction& made) {
  for (const ComparedMetric& one : made.metrics) {
    if (one.differing == 0) fmt::print("  {}: {} numbers, all with the same bits\n", one.metric, one.numbers);
    else if (!one.same_axes) fmt::print("  {}: other axes than then\n", one.metric);
    else fmt::print("  {}: {} of {} numbers differ, by {:.3g} at most\n", one.metric, one.differing, one.numbers, one.largest);
  }
  if (made.failure_then != made.failure_now)
    fmt::print("  it {} then, and {} now\n", made.failure_then.empty() ? "went well" : "failed (" + made.failure_then + ")",
               made.failure_now.empty() ? "goes well" : "fails (" + made.failure_now + ")");
  else if (!made.failure_now.empty()) fmt::print("  it fails as it did: {}\n", made.failure_now);
}

void tell_environment(const RunRecord& record) {
  const PastAttempt* counted = counting_attempt(record);
  const auto session = record.sessions.find(counted ? counted->epoch : -1);
  if (session == record.sessions.end()) return;
  auto then = facts_on_host(session->second.provenance, counted->attempt.host.str());
  then["device"] = without_number(counted->attempt.device.str());
  auto here = provenance(1);
  here["device"] = without_number(device_text(compute_device()));
  const auto lines = differing_environment(then, here);
  if (lines.empty()) fmt::print("environment: the same in all that is recorded\n");
  else fmt::print("environment: {} things differ\n", lines.size());
  for (const std::string& line : lines) fmt::print("  {}\n", line);
}

// How many image sets the sweep has: the novel images of the last are those of the first.
std::int64_t image_sets_of(const Ledger& ledger) { return read_definition_text(ledger.definition_text(), "resolved.toml").image_sets; }

int reproduce_in(const RunArgument& argument) {
  const std::filesystem::path& results = argument.results;
  const Ledger ledger = Ledger::open_for_reading(results);
  const RunRecord record = argument.record(ledger);
  if (record.run.state == RunState::kWaiting)
    throw InputError(fmt::format("run {} has no result yet to compare with. `palimpsest explain {} {}` says why.", record.run.spec.id, results.string(), argument.run));
  const Study& study = study_of(ledger);
  fmt::print("{}, {} {}\n", run_words(record.run), word(record.run.state), date_text(record.run.finished));
  std::fflush(stdout);
  use_device_of_run(record.run.spec.id, record.run.device);
  const Reproduction made = reproduce(record, study, image_sets_of(ledger));
  tell_metrics(made);
  tell_environment(record);
  fmt::print("{}\n", made.same() ? "reproduced bit for bit" : "NOT reproduced bit for bit");
  return made.same() ? 0 : 1;
}

}  // namespace

Run add_reproduce(CommandLine& command) {
  const auto argument = add_run_argument(command);
  command.footer("Runs it again, alone, and compares its numbers with the ledger's. Ends with 0 where all bits are the same, with 1 where not.");
  return [argument](MpiWorld&) {
    catch_stop_signals();
    return reproduce_in(*argument);
  };
}

}  // namespace palimpsest
