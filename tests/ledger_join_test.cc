// What is read of the ledgers of several slices as if they were one.

#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sweeps/ledger.h"
#include "sweeps/run_record.h"
#include "tests/small_ledger.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;

Attempt on(Attempt one, const char* host) { return one.host = host, one; }

/// Who had a run, and what became of it: "2 given out: 1 on a 2 counts on b; 1 measured".
std::string told(const std::vector<std::filesystem::path>& folders, const RunSpec& run) {
  const RunRecord record = Ledger::open_for_reading(folders).record(run.id);
  std::string text = fmt::format("{} given out:", record.run.attempts);
  for (const PastAttempt& one : record.attempts)
    text += fmt::format(" {}{} on {}", one.attempt.number, &one == counting_attempt(record) ? " counts" : one.outcome == Outcome::kDropped ? " dropped" : "", one.attempt.host.str());
  return text + fmt::format("; {} measured", record.measurements.size());
}

TEST_F(LedgerIn, SlicesKnowWhichOfThemAreRead) {
  const TemporaryFolder other;
  for (const auto& [where, slice] : {std::pair(folder.path(), Slice{3, 3}), std::pair(other.path(), Slice{1, 3})})
    Ledger::open_for_writing(where).record_definition(planned.plan, planned.all(), {{"host", std::to_string(slice.number)}}, slice);
  EXPECT_THAT(Ledger::open_for_reading(std::vector{folder.path(), other.path()}).slices(), ElementsAre(Slice{1, 3}, Slice{3, 3}));
}

TEST_F(LedgerIn, ARunOfACopyThatWentOnHasTheAttemptsOfBothOnce) {
  const TemporaryFolder copy;
  const RunSpec& run = planned.runs[0];
  {
    Ledger ledger = started(folder.path(), planned);
    commit(ledger, AttemptStarted{{on(attempt(run), "a")}});
    commit(ledger, AttemptsEnded{{on(attempt(run), "a")}, Ending::kStopped});
  }
  std::filesystem::copy(folder.path(), copy.path(), std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
  {
    Ledger ledger = started(folder.path(), planned);
    commit(ledger, AttemptStarted{{on(attempt(run, 2), "b")}});
    commit(ledger, success(run, {1, 0.5f}, 2));
  }
  EXPECT_EQ(told({folder.path()}, run), "2 given out: 1 on a 2 counts on b; 1 measured");
  EXPECT_EQ(told({copy.path(), folder.path()}, run), "2 given out: 1 on a 2 counts on b; 1 measured");
  EXPECT_EQ(told({folder.path(), copy.path()}, run), "2 given out: 1 on a 2 counts on b; 1 measured");
}

}  // namespace
}  // namespace palimpsest
