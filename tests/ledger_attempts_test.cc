// Who had a run: what is in flight, what was lost, and what is run again.

#include <algorithm>
#include <string>
#include <tuple>

#include <gmock/gmock.h>

#include "sweeps/run_record.h"
#include "tests/small_ledger.h"

namespace palimpsest {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Attempt on_rank(const RunSpec& run, int rank, std::int64_t pack, int number = 1) {
  Attempt one = attempt(run, number);
  one.rank = rank, one.pack = pack;
  return one;
}

// "pack of 0 1 on rank 2", a line each.
std::string lost(const Ledger& ledger, const Planned& planned) {
  std::string lines;
  for (const LostPack& pack : ledger.lost_packs()) {
    lines += "pack of";
    for (const RunId& id : pack.runs) lines += " " + std::to_string(std::ranges::find(planned.runs, id, &RunSpec::id) - planned.runs.begin());
    lines += " on rank " + std::to_string(pack.rank) + "\n";
  }
  return lines;
}

// A new coordinator's ledger, where a world ended in the midst of things.
Ledger found_again(const std::filesystem::path& folder, const Planned& planned) {
  Ledger ledger = started(folder, planned);
  ledger.end_left_attempts();
  return ledger;
}

TEST_F(LedgerIn, AFolderRunsFailedRunsAgainOnRequest) {
  Ledger ledger = started(folder.path(), planned);
  commit(ledger, failure(planned.runs[2]));
  ledger.retry_failed();
  EXPECT_THAT(text(ledger, planned), HasSubstr("2 waiting"));
  commit(ledger, success(planned.runs[2], {1, 2}, 2));
  EXPECT_THAT(text(ledger, planned), HasSubstr("2 done\n"));
}

TEST_F(LedgerIn, AFolderKnowsWhichPacksAreInFlight) {
  Ledger ledger = started(folder.path(), planned);
  commit(ledger, AttemptStarted{{attempt(planned.runs[0]), attempt(planned.runs[1])}});
  commit(ledger, success(planned.runs[0]));
  ASSERT_THAT(ledger.in_flight(), SizeIs(1));
  EXPECT_EQ(ledger.in_flight()[0].run, planned.runs[1].id);
}

TEST_F(LedgerIn, AFolderHasNothingInFlightAfterItsCoordinatorCameAnew) {
  {
    Ledger ledger = started(folder.path(), planned);
    commit(ledger, AttemptStarted{{attempt(planned.runs[0])}});
  }
  EXPECT_THAT(Ledger::open_for_writing(folder.path()).in_flight(), IsEmpty());
}

TEST_F(LedgerIn, AFolderBlamesTheWorkersThatWereNotWellWhenTheWorldEnded) {
  {
    Ledger ledger = started(folder.path(), planned);
    commit(ledger, AttemptStarted{{on_rank(planned.runs[0], 0, 1), on_rank(planned.runs[1], 1, 2), on_rank(planned.runs[2], 2, 3), on_rank(planned.runs[3], 2, 3)}});
    commit(ledger, AttemptsEnded{{on_rank(planned.runs[0], 0, 1)}, Ending::kSpared});
    commit(ledger, AttemptsEnded{{on_rank(planned.runs[1], 1, 2)}, Ending::kSpared});
  }
  EXPECT_EQ(lost(found_again(folder.path(), planned), planned), "pack of 2 3 on rank 2\n");
}

TEST_F(LedgerIn, AFolderBlamesItsCoordinatorsOwnRunsWhereItEndedWithoutAWord) {
  {
    Ledger ledger = started(folder.path(), planned);
    commit(ledger, AttemptStarted{{on_rank(planned.runs[0], 0, 1), on_rank(planned.runs[1], 1, 2)}});
  }
  EXPECT_EQ(lost(found_again(folder.path(), planned), planned), "pack of 0 on rank 0\n");
}

TEST_F(LedgerIn, AFolderKeepsWhoHadARunThatASecondWorkerGotAsWell) {
  Ledger ledger = started(folder.path(), planned);
  commit(ledger, AttemptStarted{{on_rank(planned.runs[0], 1, 1), on_rank(planned.runs[1], 1, 1)}});
  commit(ledger, AttemptStarted{{on_rank(planned.runs[0], 2, 2, 2)}});
  EXPECT_THAT(ledger.record(planned.runs[0].id).attempts, SizeIs(2));
  RunSucceeded second = success(planned.runs[0], {1, 2}, 2);
  second.attempt = on_rank(planned.runs[0], 2, 2, 2);
  commit(ledger, second);
  commit(ledger, AttemptsEnded{{on_rank(planned.runs[0], 1, 1)}, Ending::kSecond});
  const auto attempts = ledger.record(planned.runs[0].id).attempts;
  ASSERT_THAT(attempts, SizeIs(2));
  EXPECT_EQ(attempts[0].outcome, Outcome::kDropped);
  EXPECT_EQ(std::pair(attempts[1].outcome, attempts[1].attempt.rank), std::pair(Outcome::kDone, 2));
  ASSERT_THAT(ledger.in_flight(), SizeIs(1));
  EXPECT_EQ(ledger.in_flight()[0].run, planned.runs[1].id);
}

TEST_F(LedgerIn, AFolderKeepsTheAttemptThatFailedOfARunThatIsRunAgain) {
  Ledger ledger = started(folder.path(), planned);
  commit(ledger, AttemptStarted{{on_rank(planned.runs[0], 1, 1)}});
  commit(ledger, RunFailed{on_rank(planned.runs[0], 1, 1), "not a number"});
  const auto of_run = [&] { return ledger.record(planned.runs[0].id).attempts; };
  ASSERT_THAT(of_run(), SizeIs(1));
  EXPECT_EQ(std::tuple(of_run()[0].outcome, of_run()[0].attempt.rank, of_run()[0].reason), std::tuple(Outcome::kFailed, 1, "not a number"));
  ledger.retry_failed();
  commit(ledger, AttemptStarted{{on_rank(planned.runs[0], 2, 2, 2)}});
  RunSucceeded second = success(planned.runs[0], {1, 2}, 2);
  second.attempt = on_rank(planned.runs[0], 2, 2, 2);
  commit(ledger, second);
  ASSERT_THAT(of_run(), SizeIs(2));
  EXPECT_EQ(std::tuple(of_run()[0].outcome, of_run()[0].attempt.rank, of_run()[0].reason), std::tuple(Outcome::kFailed, 1, "not a number"));
  EXPECT_EQ(std::pair(of_run()[1].outcome, of_run()[1].attempt.rank), std::pair(Outcome::kDone, 2));
}

TEST_F(LedgerIn, AFolderKnowsRunsInFlightByTheirIdsAfterThePlanGaveThemOtherNumbers) {
  const Planned more(with_image_sets(3));
  const RunId of_b = more.plan.run_at(3).id;   // number 2 where there are two image sets
  {
    Ledger ledger = started(folder.path(), more);
    commit(ledger, AttemptStarted{{on_rank(more.plan.run_at(3), 0, 4), on_rank(more.plan.run_at(2), 0, 4)}});
  }
  const Ledger ledger = found_again(folder.path(), planned);
  ASSERT_THAT(ledger.lost_packs(), SizeIs(1));
  EXPECT_THAT(ledger.lost_packs()[0].runs, testing::UnorderedElementsAre(of_b, more.plan.run_at(2).id));
  EXPECT_EQ(ledger.record(of_b).run.number, 2);
  EXPECT_EQ(ledger.record(of_b).run.attempts, 1);
  EXPECT_EQ(ledger.highest_pack(), 4);
}

TEST_F(LedgerIn, AFolderSetsRunsApartUntilTheyAreAskedForByName) {
  Ledger ledger = started(folder.path(), planned);
  commit(ledger, AttemptStarted{{on_rank(planned.runs[0], 1, 1)}});
  commit(ledger, AttemptsEnded{{on_rank(planned.runs[0], 1, 1)}, Ending::kLost});
  commit(ledger, RunQuarantined{on_rank(planned.runs[0], 1, 1), "it kills"});
  EXPECT_THAT(text(ledger, planned), HasSubstr("0 failed (it kills)\n"));
  EXPECT_TRUE(ledger.runs()[0].quarantined);
  ledger.retry_failed();
  EXPECT_THAT(text(ledger, planned), HasSubstr("0 failed"));
  ledger.retry_quarantined();
  EXPECT_THAT(text(ledger, planned), HasSubstr("0 waiting"));
  EXPECT_EQ(lost(ledger, planned), "") << "the workers it was alone with are forgotten";
}

}  // namespace
}  // namespace palimpsest
