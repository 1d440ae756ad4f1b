#include "runtime/device_launch.h"

#include <c10/core/impl/FakeGuardImpl.h>
#include <gmock/gmock.h>

#include "launch/device_of_run.h"
#include "launch/device_text.h"
#include "runtime/device.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

using ::testing::StartsWith;
using ::testing::ThrowsMessage;

// Eight GPUs as far as which one is current goes, for each thread; LibTorch's CUDA half is never loaded here.
using Gpus = c10::impl::FakeGuardImpl<c10::kCUDA>;
C10_REGISTER_GUARD_IMPL(CUDA, Gpus)

constexpr int kIllegalAddress = 700;
const char* name_of(int error) { return error == kIllegalAddress ? "cudaErrorIllegalAddress" : "cudaErrorUnknown"; }
const DeviceKernels kKernels{.dropout = nullptr, .adamw = nullptr, .low_rank = nullptr, .run_here = nullptr, .error_name = name_of};

TEST(Launch, MakesTheTensorsDeviceTheCurrentOneAndGivesTheOtherBack) {
  Gpus::setDeviceIndex(3);
  int current = -1;
  launch(kKernels, {c10::kCUDA, 5}, "adamw", [&](void* stream) { return current = Gpus::getDeviceIndex(), stream ? 1 : 0; });
  EXPECT_EQ(current, 5);
  EXPECT_EQ(Gpus::getDeviceIndex(), 3);
}

TEST(Launch, ThatFailsSaysWhichKernelOnWhichDeviceAndWhy) {
  const auto failing = [] { launch(kKernels, {c10::kCUDA, 2}, "dropout", [](void*) { return kIllegalAddress; }); };
  EXPECT_THAT(failing,
              ThrowsMessage<std::runtime_error>("CUDA error: dropout on cuda:2 ended with cudaErrorIllegalAddress"));
  EXPECT_EQ(Gpus::getDeviceIndex(), 3) << "the guard holds for an exception, too";
}

TEST(Kernels, AreLibTorchsOnTheCpu) { EXPECT_EQ(kernels_for(c10::kCPU), nullptr); }

TEST(DeviceText, NamesTheGpuThatComputesAndTheProcessorThatPrepares) {
  EXPECT_EQ(device_text({c10::kCUDA, 1}, "NVIDIA H200"), "cuda:1, NVIDIA H200, " + device_text(c10::kCPU).substr(5));
  EXPECT_THAT(device_text(c10::kCPU), StartsWith("cpu, " + processor_text()));
  const auto fused = device_text({c10::kCUDA, 1}, "NVIDIA H200", /*fused_adapters=*/true);
  EXPECT_EQ(fused, device_text({c10::kCUDA, 1}, "NVIDIA H200") + ", fused adapters");
  EXPECT_TRUE(says_fused_adapters(fused) && !says_fused_adapters(device_text({c10::kCUDA, 1}, "NVIDIA H200")));
  EXPECT_EQ(without_number("cuda:11, NVIDIA H200, Xeon"), "cuda, NVIDIA H200, Xeon");
  EXPECT_EQ(without_number("cpu, Xeon"), "cpu, Xeon");
}

TEST(DeviceOfARun, ThatWasAGpuIsNotReplacedByTheCpu) {
  std::string why_none;
  if (gpu_count(why_none) > 0) GTEST_SKIP() << "there is a GPU here";
  EXPECT_THAT([] { use_device_of_run("5e0c", "cuda:0, NVIDIA H200, Xeon, AVX2"); },
              ThrowsMessage<InputError>(
                  StartsWith("run 5e0c was computed on cuda:0, NVIDIA H200, Xeon, AVX2, and there is no GPU here: ")));
  use_device_of_run("5e0c", "cpu, Xeon, AVX2");
  EXPECT_TRUE(compute_device().is_cpu());
}

}  // namespace
}  // namespace palimpsest
