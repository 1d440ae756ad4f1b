#pragma once

#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sweeps/ledger.h"
#include "sweeps/plan.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

namespace palimpsest {

inline const std::string kSmallDefinition = R"(
study = "planted"
name = "small"
[sweep]
image_sets = 2
seeds = 1
[sweep.grid]
"planted.condition" = ["a", "b"]
)";

inline std::string with_image_sets(int count) {
  return std::string(kSmallDefinition).replace(kSmallDefinition.find("image_sets = 2"), 14, "image_sets = " + std::to_string(count));
}

/// Numbers of runs in the plan that was made last.
inline std::map<RunId, std::int64_t>& numbers_of_runs() {
  static std::map<RunId, std::int64_t> numbers;
  return numbers;
}

/// The four runs of the definition, in the order of their ids.
struct Planned {
  Definition definition;
  Plan plan;
  std::vector<RunSpec> runs;
  explicit Planned(const std::string& text = kSmallDefinition) : Planned(read_definition_text(text, "small.toml")) {}
  explicit Planned(Definition given) : definition(std::move(given)), plan(definition) {
    for (std::int64_t i = 0; i < plan.size(); ++i) runs.push_back(plan.run_at(i)), numbers_of_runs()[runs.back().id] = i;
    std::ranges::sort(runs, {}, &RunSpec::id);
  }
  RunSet all() const { return RunSet::below(plan.size()); }
};

inline Attempt attempt(const RunSpec& run, int number = 1) {
  const auto place = numbers_of_runs().find(run.id);
  return {run.id, number, 1, "node1", "cpu", 0, 100, 107, place == numbers_of_runs().end() ? -1 : place->second};
}

inline RunSucceeded success(const RunSpec& run, std::vector<float> losses = {1, 0.5f}, int number = 1) {
  RunSucceeded entry{attempt(run, number), {}};
  entry.result.id = run.id;
  entry.result.measurements = {{"loss", {{"epoch", {"0", "1"}}}, std::move(losses)}};
  entry.result.seconds = 7;
  return entry;
}

inline RunFailed failure(const RunSpec& run, std::string reason = "not a number") { return {attempt(run), std::move(reason)}; }

inline void commit(Ledger& ledger, LedgerEntry entry) { ledger.commit(std::span(&entry, 1)); }

inline Ledger started(const std::filesystem::path& folder, const Planned& planned) {
  Ledger ledger = Ledger::open_for_writing(folder);
  ledger.record_definition(planned.plan, planned.all(), {{"host", "node1"}});
  return ledger;
}

/// A line a run: its number in `planned`, state, attempts.
inline std::string text(const Ledger& ledger, const Planned& planned, bool all = false) {
  static const char* const words[] = {"waiting", "done", "failed"};
  std::string lines;
  for (const LedgerRun& run : ledger.runs(all)) {
    const auto at = std::ranges::find(planned.runs, run.spec.id, &RunSpec::id) - planned.runs.begin();
    lines += std::to_string(at) + " " + words[static_cast<int>(run.state)] + (run.reason.empty() ? "" : " (" + run.reason + ")") + "\n";
  }
  return lines;
}

struct LedgerIn : testing::Test {
  TemporaryFolder folder;
  Planned planned;
};

}  // namespace palimpsest
