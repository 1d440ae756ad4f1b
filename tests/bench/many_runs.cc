// Makes a results folder of very many runs out of one of few.   many_runs FEW DEFINITION MANY
//
// DEFINITION asks for the runs of FEW, and for many more image sets and seeds. Each run gets the results that a run of its condition has in FEW,
// with one percent of noise; files for the report go to the runs that have them in FEW.

#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "runtime/error.h"
#include "runtime/random_stream.h"
#include "sweeps/ledger.h"
#include "sweeps/plan.h"
#include "sweeps/study.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kTogether = 1000;   // runs of a transaction

std::string text_of(const std::map<std::string, Value>& condition) {
  std::string all;
  for (const auto& [key, value] : condition) all += key + "=" + text(value) + "\n";
  return all;
}

std::map<std::string, RunResult> results_by_condition(const Ledger& few) {
  std::map<std::string, RunResult> results;
  for (const LedgerRun& run : few.runs_handed_out())
    if (run.state == RunState::kDone)
      results.try_emplace(text_of(few.plan().condition_of(run.number)), RunResult{run.spec.id, "", few.measurements_of(run.spec.id), few.attachments(run.spec.id), run.seconds});
  return results;
}

RunResult resembling(const RunResult& like, const RunSpec& run) {
  RunResult result = like;
  result.id = run.id;
  if (run.image_set + run.seed > 0) result.attachments.clear();
  const RandomStream noise(std::hash<std::string>()(run.id));
  std::uint64_t index = 0;
  for (Measurement& measurement : result.measurements)
    for (float& value : measurement.values) value *= static_cast<float>(1 + 0.01 * noise.normal(index++));
  return result;
}

void make(const std::filesystem::path& few, const std::filesystem::path& definition, const std::filesystem::path& many) {
  const auto results = results_by_condition(Ledger::open_for_reading(few));
  const Plan plan(read_definition(definition));
  std::filesystem::create_directories(many);
  Ledger ledger = Ledger::open_for_writing(many);
  ledger.record_definition(plan, RunSet::below(plan.size()), {});
  RunMaker maker(plan);
  std::vector<LedgerEntry> entries;
  for (std::int64_t number = 0; number < plan.size(); ++number) {
    const RunSpec run = maker.run_at(number);
    const auto like = results.find(text_of(plan.condition_of(number)));
    if (like == results.end()) throw InputError("no run of the few is done under the condition of run " + std::to_string(number));
    const Attempt attempt{.run = run.id, .pack = number / 64 + 1, .host = "host", .device = "cpu", .started = 1.0, .finished = 2.0, .place = number};
    entries.push_back(AttemptStarted{{attempt}});
    entries.push_back(RunSucceeded{attempt, resembling(like->second, run)});
    if (number % kTogether == kTogether - 1 || number == plan.size() - 1) ledger.commit(entries), entries.clear();
  }
  std::printf("%lld runs of %zu conditions\n", static_cast<long long>(plan.size()), results.size());
}

}  // namespace
}  // namespace palimpsest

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "many_runs FEW DEFINITION MANY\n");
    return 2;
  }
  try {
    palimpsest::add_network_studies();
    palimpsest::make(argv[1], argv[2], argv[3]);
  } catch (const palimpsest::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
}
