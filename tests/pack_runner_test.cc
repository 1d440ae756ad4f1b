#include "launch/pack_runner.h"

#include <gmock/gmock.h>

#include <new>
#include <thread>

namespace palimpsest {
namespace {

TEST(CauseOfAnError, IsToldByItsWords) {
  const auto cause = [](const char* words) { return cause_of(std::runtime_error(words)); };
  EXPECT_EQ(cause_of(std::bad_alloc()), Cause::kMemory);
  EXPECT_EQ(cause("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to "
                  "allocate 9 bytes"),
            Cause::kMemory);
  EXPECT_EQ(cause("CUDA out of memory. Tried to allocate 2.00 GiB."), Cause::kMemory);
  EXPECT_EQ(cause("CUDA error: out of memory"), Cause::kMemory);
  EXPECT_EQ(cause("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), Cause::kMemory);
  EXPECT_EQ(cause("CUDA error: an illegal memory access was encountered\nSearch for `cudaErrorIllegalAddress`"),
            Cause::kDevice);
  EXPECT_EQ(cause("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(...)`"), Cause::kDevice);
  EXPECT_EQ(cause("CUDA error: adamw on cuda:1 ended with cudaErrorECCUncorrectable"), Cause::kDevice);
  EXPECT_EQ(cause("images.path: holds 3 images, 8 are needed"), Cause::kRuns);
}

// What a pack of two runs comes to whose study throws this.
std::vector<FromWorker> told_of(void (*run_pack)(const std::vector<RunSpec>&, const PackContext&)) {
  Study study;
  study.run_pack = run_pack;
  std::vector<FromWorker> told;
  std::atomic<bool> left = false;
  PackRunner runner(study, Welcome{}, [&](FromWorker message) {
    told.push_back(std::move(message));
    if (std::holds_alternative<Left>(told.back())) left = true;
  });
  runner.start({PackId{7}, {{.id = "a", .settings = {}}, {.id = "b", .settings = {}}}});
  while (!left) std::this_thread::yield();
  return told;
}

TEST(APack, ThatThrowsFailsItsRuns) {
  const auto told = told_of([](const auto&, const auto&) { throw std::runtime_error("no such layer\nat layer.cc:3"); });
  ASSERT_EQ(told.size(), 2u);
  for (const int run : {0, 1}) EXPECT_EQ(std::get<RunReports>(told[0]).results.at(run).failure, "no such layer");
  EXPECT_EQ(std::get<Left>(told[1]).leaving, Leaving::kEnded);
}

TEST(APack, ThatIsTooLargeIsGivenBack) {
  const auto told = told_of(
      [](const auto&, const auto&) { throw std::runtime_error("CUDA out of memory. Tried to allocate 2.00 GiB."); });
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(std::get<Left>(told[0]).leaving, Leaving::kOutOfMemory);
}

TEST(APack, OfManyRunsIsComputedInParts) {
  static std::vector<std::size_t> sizes;
  sizes.clear();
  Study study;
  study.run_pack = [](const std::vector<RunSpec>& runs, const PackContext& context) {
    sizes.push_back(runs.size());
    context.progress(0.5);
    if (sizes.size() == 2) throw std::runtime_error("the second part");
    for (const RunSpec& run : runs) context.report({.id = run.id, .failure = {}, .measurements = {}, .attachments = {}});
  };
  std::vector<std::string> told;
  std::atomic<bool> left = false;
  PackRunner runner(study, Welcome{}, [&](FromWorker message) {
    if (const auto* reports = std::get_if<RunReports>(&message))
      for (const RunResult& result : reports->results) told.push_back(result.id + result.failure);
    else left = std::get<Left>(message).leaving == Leaving::kEnded;
  });
  PackOrder order{PackId{7}, {}, 2};
  for (const char* id : {"a", "b", "c", "d", "e"}) order.runs.push_back({.id = id, .settings = {}});
  runner.start(std::move(order));
  while (!left) std::this_thread::yield();
  EXPECT_EQ(sizes, (std::vector<std::size_t>{2, 2, 1}));
  EXPECT_EQ(told, (std::vector<std::string>{"a", "b", "cthe second part", "dthe second part", "e"}));
}

TEST(APack, OnAGpuThatFailsFailsNoRunButEndsTheWorker) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(told_of([](const auto&, const auto&) {
                throw std::runtime_error("CUDA error: an illegal memory access was encountered\nSearch");
              }),
              testing::ExitedWithCode(3),
              "CUDA error: an illegal memory access was encountered\\. This rank cannot compute any more and ends");
}

}  // namespace
}  // namespace palimpsest
