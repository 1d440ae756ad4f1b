#include "sweeps/common_runs.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "tests/toy_study.h"

namespace palimpsest {
namespace {

TEST(RunFinder, FindsTheNumberOfARunThatAnotherPlanMade) {
  const std::string grid = "[sweep]\nimage_sets = 2\nseeds = 2\n[sweep.grid]\n";
  const Plan before(toy_definition(grid + "\"fast.rank\" = [1, 2]\n\"images.path\" = [\"/photos\", \"/others\"]\n"));
  const Plan after(toy_definition(grid + "\"images.path\" = [\"/others\", \"/moved\"]\n\"fast.rank\" = [4, 2, 1]\n"));   // the photos were moved
  RunFinder finder(after);
  for (std::int64_t number = 0; number < before.size(); ++number) {
    const RunSpec run = before.run_at(number);
    const auto found = finder.number_of(run.id, before.cell_of(number), [&] { return run.settings; }, run.image_set, run.seed);
    ASSERT_TRUE(found) << number;
    EXPECT_EQ(after.run_at(*found).id, run.id);
  }
  const RunSpec gone = Plan(toy_definition(grid + "\"fast.rank\" = [8]\n")).run_at(0);
  EXPECT_FALSE(finder.number_of(gone.id, -1, [&] { return gone.settings; }, gone.image_set, gone.seed));
}

std::set<RunId> ids_of(const Plan& plan) {
  std::set<RunId> ids;
  for (std::int64_t i = 0; i < plan.size(); ++i) ids.insert(plan.run_at(i).id);
  return ids;
}

TEST(CommonRuns, OfTwoPlansAreCountedAsTheirIdsTell) {
  const std::vector<std::string> definitions = {
      "",
      "[sweep]\nimage_sets = 3\nseeds = 4\n",
      "[fast]\nrate = 0.1\n[sweep]\nimage_sets = 2\nseeds = 3\n[sweep.grid]\n\"fast.rank\" = [2, 4, 8]\n",
      "[sweep]\nimage_sets = 3\nseeds = 2\n[sweep.grid]\n\"fast.rank\" = [8, 4, 16]\n\"fast.rate\" = [0.1, 0.2]\n",
      "[sweep]\nimage_sets = 3\nseeds = 2\n[sweep.grid]\n\"fast.rate\" = [0.3, 0.2, 0.1]\n\"fast.rank\" = [2, 8, 4]\n",
      "[sweep]\nimage_sets = 2\nseeds = 2\n[sweep.grid]\n\"fast.rank\" = [1, 2, 4]\n\"fast.rate\" = { values = [0.2, 0.1], when = { \"fast.rank\" = 4 } }\n",
      "[fast]\nrate = 0.1\n[sweep]\nimage_sets = 2\nseeds = 2\n[sweep.grid]\n\"fast.rank\" = [4, 8]\n\"fast.rate\" = { values = [0.1, 0.2, 0.4], when = { \"fast.rank\" = 4 } }\n",
      "[sweep]\nimage_sets = 3\nseeds = 2\n[[sweep.zip]]\n\"fast.rank\" = [4, 4, 8]\n\"fast.rate\" = [0.1, 0.2, 0.1]\n",
      "[sweep]\nimage_sets = 2\n[[sweep.exclude]]\n\"fast.rank\" = 4\n\"fast.rate\" = 0.1\n[sweep.grid]\n\"fast.rank\" = [2, 4, 8]\n\"fast.rate\" = [0.1, 0.2]\n",
      "[sweep]\nimage_sets = 3\nseeds = 2\n[sweep.grid]\n\"images.path\" = [\"/photos\", \"/others\"]\n\"images.count\" = [4, 8]\n\"fast.rate\" = [0.1, 1e-4]\n",
      "[images]\npath = \"/moved\"\n[sweep]\nimage_sets = 2\n[sweep.grid]\n\"fast.rate\" = [0.1, 1e-4]\n\"fast.rank\" = [8, 4]\n",
      "[sweep]\nimage_sets = 4\n[sweep.grid]\n\"images.path\" = [\"/others\", \"/moved\"]\n\"fast.rank\" = [8, 4]\n",
      "[sweep]\nseeds = 5\n[[sweep.zip]]\n\"images.path\" = [\"/others\", \"/moved\"]\n\"fast.rate\" = [1e-4, 0.1]\n[sweep.grid]\n\"fast.rank\" = [8, 4]\n"};
  std::int64_t some = 0, none = 0;
  for (const std::string& was : definitions)
    for (const std::string& is : definitions) {
      const Plan before(toy_definition(was)), after(toy_definition(is));
      const std::int64_t size = before.size();
      const std::set<RunId> ids = ids_of(after);
      const auto is_there = [&](std::int64_t number) { return ids.contains(before.run_at(number).id); };
      std::vector<std::int64_t> gaps;
      for (std::int64_t i = 0; i < size; ++i)
        if (i % 7 != 3 && i % 5 != 0) gaps.push_back(i);
      for (const RunSet& left : {RunSet::below(size), RunSet::below(size, size > 1, 2), RunSet(gaps)}) {
        const std::int64_t common = std::ranges::count_if(left.numbers(), is_there);
        EXPECT_EQ(CommonRuns(before, after).count(left), common) << was << "then\n" << is << left.text();
        ++(common > 0 ? some : none);
      }
      CommonRuns runs(before, after);
      for (std::int64_t number = 0; number < size; ++number) {
        const auto found = runs.number_of(number);
        EXPECT_EQ(found.has_value(), is_there(number)) << was << "then\n" << is << number;
        EXPECT_TRUE(!found || after.run_at(*found).id == before.run_at(number).id);
      }
    }
  EXPECT_GT(some, 200);
  EXPECT_GT(none, 50);
}

TEST(CommonRuns, AreNoneWhereAStudyDoesNotHaveTheKeysOfTheOther) {
  static const Study other = [] {
    Study study = toy();
    study.name = "other toy";
    study.keys = {{.name = "slow.depth", .type = KeyType::kInteger, .default_value = std::int64_t{8}, .meaning = "Depth."}};
    study.inspect = [](const Settings&, std::int64_t, std::int64_t) { return Inputs{}; };
    return study;
  }();
  add_study(other);
  const Plan plan(toy_definition("[sweep.grid]\n\"fast.rank\" = [4, 8]\n"));
  const Plan another(read_definition_text("study = \"other toy\"\nname = \"t\"\n", "/folder/t.toml"));
  EXPECT_EQ(CommonRuns(plan, another).count(RunSet::below(plan.size())), 0);
  EXPECT_EQ(CommonRuns(another, plan).count(RunSet::below(another.size())), 0);
  EXPECT_EQ(CommonRuns(plan, another).number_of(0), std::nullopt);
}

}  // namespace
}  // namespace palimpsest
