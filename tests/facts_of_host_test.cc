// What a result came from is told of the host that it came from, also where that is not rank 0's.

#include <gmock/gmock.h>

#include "sweeps/run_record.h"
#include "tests/small_ledger.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using Facts = std::map<std::string, std::string>;

TEST(FactsOfAHost, ArePutDownWhereTheyAreNotThoseOfRank0) {
  const Facts here = {{"kernel", "Linux 6.1"}, {"driver", "550"}};
  EXPECT_THAT(other_facts(here, here, "node2"), IsEmpty());
  EXPECT_THAT(other_facts({{"kernel", "Linux 6.1"}, {"driver", "570"}}, here, "node2"), ElementsAre(Pair("driver on node2", "570")));
}

TEST_F(LedgerIn, AFolderTellsOfEachRunsOwnHost) {
  {
    Ledger ledger = started(folder.path(), planned);   // by rank 0 on node1
    commit(ledger, FactsOfHost{{{"driver on node2", "570"}, {"kernel on node2", "Linux \"6.2\""}}});
    commit(ledger, FactsOfHost{{{"driver on node22", "580"}}});
    RunSucceeded there = success(planned.runs[1]);
    there.attempt.host = "node2";
    commit(ledger, success(planned.runs[0]));
    commit(ledger, there);
  }
  const Ledger ledger = Ledger::open_for_reading(folder.path());
  const auto facts = [&](const RunSpec& run) {
    const RunRecord record = ledger.record(run.id);
    return facts_on_host(record.sessions.begin()->second.provenance, record.run.host);
  };
  EXPECT_THAT(facts(planned.runs[0]), ElementsAre(Pair("host", "node1")));
  EXPECT_THAT(facts(planned.runs[1]), ElementsAre(Pair("driver", "570"), Pair("host", "node2"), Pair("kernel", "Linux \"6.2\"")));
  EXPECT_THAT(ledger.provenances(), ElementsAre(ElementsAre(Pair("driver on node2", "570"), Pair("driver on node22", "580"), Pair("host", "node1"), Pair("kernel on node2", "Linux \"6.2\""))));
}

}  // namespace
}  // namespace palimpsest
