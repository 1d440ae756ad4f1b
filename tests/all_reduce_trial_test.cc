#include "launch/all_reduce_trial.h"

#include <gmock/gmock.h>

#include <cstdlib>

namespace palimpsest {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const GpuLink kNvlinks{.nvlinks = 18, .nvlink_rate = 26.562e9, .pcie_generation = 5, .pcie_lanes = 16};
const GpuLink kPcie{.pcie_generation = 4, .pcie_lanes = 16};

/// Of 256 MB over so many GPUs, at a bus rate in bytes/s.
AllReduceTrial at_rate(int gpus, double rate, const GpuLink& link) {
  AllReduceTrial trial{.gpus = gpus, .bytes = 256e6, .link = link};
  trial.seconds = trial.bytes * 2 * (gpus - 1) / gpus / rate;
  return trial;
}

TEST(AnAllReduce, OverEightGpusMovesSevenQuartersOfTheTensorOverEachLink) {
  EXPECT_DOUBLE_EQ((AllReduceTrial{.gpus = 8, .bytes = 256e6, .seconds = 1e-3}.bus_rate()), 448e9);
  EXPECT_DOUBLE_EQ((AllReduceTrial{.gpus = 2, .bytes = 256e6, .seconds = 1e-2}.bus_rate()), 25.6e9);
}

TEST(AnAllReduce, AtTheRateOfNvlinkIsFine) {
  const Finding finding = all_reduce_found(at_rate(8, 382.5e9, kNvlinks));
  EXPECT_EQ(finding.grade, Grade::kGood);
  EXPECT_EQ(finding.found, "382 GB/s over 8 GPUs, 80 % of the 478 GB/s of 18 NVLinks");
  EXPECT_EQ(finding.means, "gradients are exchanged about as fast as this link allows");
  EXPECT_EQ(finding.advice, "");
}

TEST(AnAllReduce, UnderHalfOfNvlinkIsANoteWithWhatToLookAt) {
  const Finding finding = all_reduce_found(at_rate(8, 40e9, kNvlinks));
  EXPECT_EQ(finding.grade, Grade::kNote);
  EXPECT_EQ(finding.found, "40 GB/s over 8 GPUs, 8 % of the 478 GB/s of 18 NVLinks");
  EXPECT_EQ(finding.means, "ranks wait 12.0 times as long for gradients as this link would have them");
  EXPECT_THAT(finding.advice, HasSubstr("nvidia-smi nvlink -s"));
  EXPECT_EQ(all_reduce_found(at_rate(8, 0.51 * kNvlinks.rate(), kNvlinks)).grade, Grade::kGood);
  EXPECT_EQ(all_reduce_found(at_rate(8, 0.49 * kNvlinks.rate(), kNvlinks)).grade, Grade::kNote);
}

TEST(AnAllReduce, WithoutNvlinkIsHeldAgainstPcie) {
  const Finding fast = all_reduce_found(at_rate(2, 22e9, kPcie)), slow = all_reduce_found(at_rate(2, 9e9, kPcie));
  EXPECT_EQ(fast.grade, Grade::kGood);
  EXPECT_EQ(fast.found, "22 GB/s over 2 GPUs, 70 % of the 31.5 GB/s of PCIe 4.0 x16");
  EXPECT_EQ(slow.grade, Grade::kNote);
  EXPECT_THAT(slow.advice, HasSubstr("PCIe ACS"));
}

TEST(AnAllReduce, OverALinkThatIsNotKnownIsToldWithoutAShare) {
  const Finding finding = all_reduce_found(at_rate(4, 9e9, {}));
  EXPECT_EQ(finding.grade, Grade::kGood);
  EXPECT_EQ(finding.found, "9 GB/s over 4 GPUs");
  EXPECT_THAT(finding.means, HasSubstr("is not known"));
  EXPECT_THAT(all_reduce_found(at_rate(4, 9e9, {.pcie_generation = 9, .pcie_lanes = 16})).means, HasSubstr("is not known"));
}

TEST(AnAllReduce, OfOneGpuHasNoPair) {
  const Finding finding = all_reduce_found({.gpus = 1});
  EXPECT_EQ(finding.grade, Grade::kGood);
  EXPECT_EQ(findings_text({finding}), "ok     NCCL all-reduce  one GPU: there is no pair to measure\n");
}

// What NCCL says on twins of the libraries, linked into this program under their names.
std::optional<Finding> found_on(const char* gpus, const char* nvlinks, const char* nccl, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
  setenv("TWIN_GPUS", gpus, 1);
  setenv("TWIN_NVLINKS", nvlinks, 1);
  setenv("TWIN_NCCL", nccl, 1);
  const auto trial = try_all_reduce(limit);
  return trial ? std::optional(all_reduce_found(*trial)) : std::nullopt;
}

TEST(ATriedAllReduce, IsHeldAgainstTheLinksThatAreUp) {
  EXPECT_THAT(found_on("4", "18", "")->found, testing::MatchesRegex("[0-9.]+ GB/s over 4 GPUs, [0-9]+ % of the 478 GB/s of 18 NVLinks"));
  EXPECT_THAT(found_on("2", "0", "")->found, testing::MatchesRegex("[0-9.]+ GB/s over 2 GPUs, [0-9]+ % of the 63 GB/s of PCIe 5.0 x16"));
}

TEST(ATriedAllReduce, ThatFailsIsToldInNcclsOwnWords) {
  const auto finding = found_on("4", "18", "fails");
  EXPECT_EQ(finding->grade, Grade::kNote);
  EXPECT_EQ(finding->found, "none over 4 GPUs: ncclCommInitAll: unhandled system error (/dev/shm is full)");
  EXPECT_THAT(finding->advice, StartsWith("NCCL_DEBUG=INFO palimpsest doctor tells more"));
}

TEST(ATriedAllReduce, ThatHangsOrEndsItsProcessEndsNothingElse) {
  EXPECT_EQ(found_on("4", "18", "hangs", std::chrono::milliseconds(500))->found, "none over 4 GPUs: NCCL did not answer within 0.5 s");
  EXPECT_EQ(found_on("4", "18", "ends")->found, "none over 4 GPUs: it ended the process that tried it");
}

TEST(ATriedAllReduce, NeedsTwoGpus) {
  EXPECT_EQ(found_on("1", "0", "fails")->found, "one GPU");
  EXPECT_FALSE(found_on("0", "0", ""));
}

}  // namespace
}  // namespace palimpsest
