// What a sweep that goes on makes of the runs that its lost workers had.

#include "launch/sweep_standing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sweeps/run_record.h"
#include "tests/small_ledger.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Runs = std::vector<std::int64_t>;

int one_signature(std::int64_t) { return 0; }

// A sweep of forty runs whose world ends again and again while rank 0 computes.
struct ASweepThatGoesOn : testing::Test {
  TemporaryFolder folder;
  const Planned planned{"study = \"planted\"\nname = \"small\"\n[sweep]\nimage_sets = 8\nseeds = 5\n"};
  std::int64_t next_pack = 1;
  std::map<std::int64_t, int> attempts;

  // Rank 0 gets the runs, is through with the first few, and all end without a word.
  void lose(const Runs& runs, std::size_t through) {
    Ledger ledger = resumed();
    AttemptStarted started;
    for (const std::int64_t run : runs) started.members.push_back(attempt_at(run, ++attempts[run]));
    ++next_pack;
    commit(ledger, started);
    for (std::size_t i = 0; i < through; ++i) commit(ledger, RunSucceeded{started.members[i], {.id = started.members[i].run, .failure = {}, .measurements = {}, .attachments = {}}});
  }

  Ledger resumed() {
    Ledger ledger = Ledger::open_for_writing(folder.path());
    ledger.record_definition(planned.plan, planned.all(), {});
    ledger.end_left_attempts();
    return ledger;
  }

  Attempt attempt_at(std::int64_t run, int number) const {
    return {planned.plan.run_at(run).id, number, next_pack, "node1", "cpu", 0, 100, 107, run};
  }

  // What is handed out first.
  std::vector<Runs> first(Ledger& ledger, std::int64_t at_once) {
    Standing standing = standing_of(ledger, planned.plan, planned.all());
    std::vector<Runs> packs;
    for (const Pack& pack : packs_of_suspects(suspects_of(standing, ledger.lost_packs()), {{0, at_once}}, one_signature)) packs.push_back(pack.runs);
    return packs;
  }
};

TEST_F(ASweepThatGoesOn, SuspectsWhatWasComputedAtOnceAndHandsOutTheOthersAsTheyAreComputed) {
  lose({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 3);
  Ledger ledger = resumed();
  EXPECT_THAT(first(ledger, 4), ElementsAre(Runs{3, 4}, Runs{5, 6}, Runs{7, 8, 9, 10}));
  EXPECT_THAT(first(ledger, 1), ElementsAre(Runs{3}, Runs{4}, Runs{5}, Runs{6}, Runs{7}, Runs{8}, Runs{9}, Runs{10}));
  EXPECT_THAT(first(ledger, 100), ElementsAre(Runs{3, 4, 5, 6}, Runs{7, 8, 9, 10}));
}

TEST_F(ASweepThatGoesOn, BlamesARunForTheWorkersAloneThatWereLostWithItAlone) {
  lose({0, 1, 2, 3}, 0);
  lose({0, 1}, 0);
  for (int loss = 0; loss < kKillsToQuarantine; ++loss) {
    Ledger ledger = resumed();
    Standing standing = standing_of(ledger, planned.plan, planned.all());
    suspects_of(standing, ledger.lost_packs());
    EXPECT_EQ(standing.tries.at(0).kills, loss);
    EXPECT_EQ(standing.tries.at(0).attempts, 2 + loss);
    EXPECT_EQ(standing.tries.at(1).kills, 0);
    quarantine_the_guilty(ledger, standing, folder.path());
    EXPECT_TRUE(standing.waiting.contains(0));
    { const Ledger over = std::move(ledger); }
    lose({0}, 0);
  }
  Ledger ledger = resumed();
  Standing standing = standing_of(ledger, planned.plan, planned.all());
  suspects_of(standing, ledger.lost_packs());
  quarantine_the_guilty(ledger, standing, folder.path());
  EXPECT_FALSE(standing.waiting.contains(0));
  EXPECT_EQ(standing.quarantined, 1);
  EXPECT_EQ(standing.waiting.size(), 39) << "no other is blamed";
  EXPECT_TRUE(ledger.record(planned.plan.run_at(0).id).run.quarantined);
}

TEST_F(ASweepThatGoesOn, SuspectsARunWithThoseOfItsLastPackAlone) {
  lose({0, 1, 2, 3}, 0);
  lose({2, 3}, 0);
  Ledger ledger = resumed();
  EXPECT_THAT(first(ledger, 2), ElementsAre(Runs{0}, Runs{1}, Runs{2}, Runs{3}));
  EXPECT_THAT(first(ledger, 4), ElementsAre(Runs{0}, Runs{1}, Runs{2}, Runs{3}));
}

TEST_F(ASweepThatGoesOn, SuspectsNobodyWhereTheWorkersWereWell) {
  {
    Ledger ledger = resumed();
    const Attempt one = attempt_at(0, 1);
    commit(ledger, AttemptStarted{{one}});
    commit(ledger, AttemptsEnded{{one}, Ending::kSpared});
  }
  Ledger ledger = resumed();
  EXPECT_THAT(first(ledger, 1), IsEmpty());
}

}  // namespace
}  // namespace palimpsest
