// The thread that commits, beside threads that submit and read: what it lets go is on disk, in order, and nothing after a failure.

#include "launch/committer.h"

#include <algorithm>
#include <gtest/gtest.h>

#include "runtime/error.h"
#include "sweeps/plan.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

const std::string kDefinition = "study = \"planted\"\nname = \"committed\"\n[sweep]\nimage_sets = 50\nseeds = 4\n";

struct ACommitter : testing::Test {
  TemporaryFolder folder;
  Definition definition = read_definition_text(kDefinition, "committed.toml");
  std::vector<RunSpec> runs;
  Mailbox<Committer::Cleared> cleared;

  Ledger started() {
    const Plan plan(definition);
    for (std::int64_t i = 0; i < plan.size(); ++i) runs.push_back(plan.run_at(i));
    Ledger ledger = Ledger::open_for_writing(folder.path());
    ledger.record_definition(plan, RunSet::below(plan.size()), {});
    return ledger;
  }
  // A result, and the order that may go out once it is on disk.
  std::vector<Effect> effects_of(std::size_t i) {
    RunSucceeded entry{{runs[i].id, 1, 1, "node", "cpu", 0, 1, 2, static_cast<std::int64_t>(i)}, {}};
    entry.result.id = runs[i].id;
    entry.result.measurements = {{"loss", {}, {static_cast<float>(i)}}};
    return {LedgerEntry{std::move(entry)}, Assignment{{1}, {static_cast<std::int64_t>(i)}, {}}};
  }
  std::int64_t done() {
    const auto all = Ledger::open_for_reading(folder.path()).runs();
    return std::ranges::count(all, RunState::kDone, &LedgerRun::state);
  }
};

TEST_F(ACommitter, LetsGoInOrderWhatIsOnDisk) {
  Ledger ledger = started();
  Committer committer(ledger, folder.path(), [&](Committer::Cleared one) { cleared.put(std::move(one)); });
  std::thread submitting([&] {
    for (std::size_t i = 0; i < runs.size(); ++i) committer.submit(effects_of(i));
  });
  std::int64_t next = 0, taken = 0;
  while (taken < 2 * static_cast<std::int64_t>(runs.size())) {
    for (const auto& one : cleared.take(std::chrono::seconds(10))) {
      ASSERT_FALSE(one.error);
      taken += one.effects_taken;
      for (const Effect& effect : one.effects) EXPECT_EQ(std::get<Assignment>(effect).pack.value, next++);
      EXPECT_GE(done(), next);
    }
  }
  submitting.join();
  EXPECT_EQ(next, static_cast<std::int64_t>(runs.size()));
}

TEST_F(ACommitter, LetsNothingGoAfterAFailureAndTellsItOnce) {
  Ledger ledger = started();
  std::vector<Effect> stranger = effects_of(0);
  std::get<RunSucceeded>(std::get<LedgerEntry>(stranger[0])).attempt.run = "never planned";
  std::get<RunSucceeded>(std::get<LedgerEntry>(stranger[0])).attempt.place = -1;
  {
    Committer committer(ledger, folder.path(), [&](Committer::Cleared one) { cleared.put(std::move(one)); });
    committer.submit(stranger);
    for (std::size_t i = 1; i < 20; ++i) committer.submit(effects_of(i));
  }
  int errors = 0;
  for (const auto& one : cleared.take(std::chrono::seconds(0))) {
    errors += one.error != nullptr;
    EXPECT_TRUE(one.effects.empty());
  }
  EXPECT_EQ(errors, 1);
  EXPECT_EQ(done(), 0);
}

}  // namespace
}  // namespace palimpsest
