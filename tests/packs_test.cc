#include "sweeps/packs.h"

#include <filesystem>

#include <gmock/gmock.h>

#include "runtime/durable_file.h"
#include "tests/temporary_folder.h"
#include "tests/toy_study.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;
using Packs = std::vector<std::vector<std::int64_t>>;

std::vector<std::int64_t> first(std::int64_t count) {
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = 0; i < count; ++i) numbers.push_back(i);
  return numbers;
}

std::vector<std::size_t> sizes(const Packs& packs) {
  std::vector<std::size_t> out;
  for (const auto& pack : packs) out.push_back(pack.size());
  return out;
}

TEST(Packs, HoldRunsOfOneSignatureInOrder) {
  const Plan plan(toy_definition("[sweep]\nseeds = 3\n[sweep.grid]\n\"fast.rate\" = [0.1, 0.2]\n\"fast.rank\" = [4, 8]\n"));
  EXPECT_EQ(cut_packs({plan, first(12)}, {{"rank 4", 16}, {"rank 8", 2}}, 1), (Packs{{0, 1, 2, 6, 7, 8}, {3, 4}, {5, 9}, {10, 11}}));
}

TEST(Packs, AreNoLargerThanAllowedAndDifferByOneRunAtMost) {
  const Plan plan(toy_definition("[sweep]\nseeds = 17\n"));
  EXPECT_THAT(sizes(cut_packs({plan, first(17)}, {{"rank 8", 16}}, 1)), ElementsAre(8, 9));
  EXPECT_THAT(sizes(cut_packs({plan, first(16)}, {{"rank 8", 16}}, 1)), ElementsAre(16));
  EXPECT_THAT(sizes(cut_packs({plan, first(3)}, {{"rank 8", 1}}, 1)), ElementsAre(1, 1, 1));
}

TEST(Packs, GiveEveryWorkerOneWhereRunsAreFew) {
  const Plan plan(toy_definition("[sweep]\nseeds = 9\n[sweep.grid]\n\"fast.rank\" = [4, 8]\n"));
  const std::map<std::string, std::int64_t> most = {{"rank 4", 16}, {"rank 8", 16}};
  EXPECT_THAT(sizes(cut_packs({plan, first(9)}, most, 4)), ElementsAre(2, 2, 2, 3));
  EXPECT_THAT(sizes(cut_packs({plan, first(3)}, most, 8)), ElementsAre(1, 1, 1));
  EXPECT_THAT(sizes(cut_packs({plan, {0, 1, 9}}, most, 3)), ElementsAre(1, 1, 1));
  EXPECT_TRUE(cut_packs({plan, {}}, most, 3).empty());
}

TEST(Packs, FillTheLastRoundOfAllWorkers) {
  const Plan plan(toy_definition("[sweep]\nseeds = 117\n"));
  EXPECT_EQ(sizes(cut_packs({plan, first(117)}, {{"rank 8", 16}}, 3)), std::vector<std::size_t>(9, 13));
}

TEST(Packs, AreSizedByTheMemoryProbeUnlessTheDefinitionSaysSo) {
  const Plan automatic(toy_definition("[sweep.grid]\n\"fast.rank\" = [1, 4, 100]\n"));
  EXPECT_EQ(pack_sizes({automatic, first(3)}, 3000), (std::map<std::string, std::int64_t>{{"rank 1", 16}, {"rank 4", 7}, {"rank 100", 1}}));
  EXPECT_EQ(pack_sizes({automatic, {1}}, 3000, 4), (std::map<std::string, std::int64_t>{{"rank 4", 4}}));
  const Plan given(toy_definition("[packs]\nsize = 5\n"));
  probed = 0;
  EXPECT_EQ(pack_sizes({given, {0}}, 3000), (std::map<std::string, std::int64_t>{{"rank 8", 5}}));
  EXPECT_EQ(probed, 0);
}

TEST(Packs, ProbeMemoryOncePerSignature) {
  const Plan plan(toy_definition("[sweep]\nseeds = 5\n[sweep.grid]\n\"fast.rate\" = [1, 2, 3]\n\"fast.rank\" = [1, 4]\n"));
  probed = 0;
  EXPECT_EQ(memory_of_runs({plan, first(plan.size())}), (std::map<std::string, std::uint64_t>{{"rank 1", 100}, {"rank 4", 400}}));
  EXPECT_EQ(probed, 2);
}

TEST(PackNotes, OfOneMachineAreNotTakenForAnother) {
  const TemporaryFolder folder;
  const PackNotes on_cpu = {{"rank 8", {.most = 4, .speeds = {{1, 120.5}, {2, 210}}}}}, recorded = {{"rank 8", {.most = 512, .speeds = {}}}};
  write_pack_notes(folder.path(), "cpu, AVX2", on_cpu);
  EXPECT_TRUE(read_pack_notes(folder.path(), "cuda, H200").empty());
  write_pack_notes(folder.path(), "cuda, H200, steps recorded", recorded);
  EXPECT_EQ(read_pack_notes(folder.path(), "cpu, AVX2"), on_cpu);
  EXPECT_EQ(read_pack_notes(folder.path(), "cuda, H200, steps recorded"), recorded);
  EXPECT_TRUE(read_pack_notes(folder.path(), "cuda, H200").empty());
}

TEST(PackNotes, ThatAreDamagedOrOfAnEarlierFormatAreNone) {
  const TemporaryFolder folder;
  for (const char* text : {"", "{", "[]", R"({"format": 1, "signatures": {"rank 8": {"most": 4, "speeds": []}}})", R"({"format": 2, "with": {"cpu": {"rank 8": {"speeds": [[1]]}}}})",
                           R"({"format": 2, "with": {"cpu": {"rank 8": 7}}})"}) {
    write_durably(folder / "packs.json", text);
    EXPECT_TRUE(read_pack_notes(folder.path(), "cpu").empty()) << text;
  }
}

}  // namespace
}  // namespace palimpsest
