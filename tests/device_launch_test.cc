#include "runtime/device_launch.h"

#include <c10/core/impl/FakeGuardImpl.h>
#include <gmock/gmock.h>

namespace palimpsest {
namespace {

using ::testing::ThrowsMessage;

// Eight GPUs as far as which one is current goes, for each thread; LibTorch's CUDA half is never loaded here.
using Gpus = c10::impl::FakeGuardImpl<c10::kCUDA>;
C10_REGISTER_GUARD_IMPL(CUDA, Gpus)

constexpr int kIllegalAddress = 700;
const char* name_of(int error) { return error == kIllegalAddress ? "cudaErrorIllegalAddress" : "cudaErrorUnknown"; }
const DeviceKernels kKernels{.dropout = nullptr, .adamw = nullptr, .run_here = nullptr, .error_name = name_of};

TEST(Launch, MakesTheTensorsDeviceTheCurrentOneAndGivesTheOtherBack) {
  Gpus::setDeviceIndex(3);
  int current = -1;
  launch(kKernels, {c10::kCUDA, 5}, "adamw", [&] { return current = Gpus::getDeviceIndex(), 0; });
  EXPECT_EQ(current, 5);
  EXPECT_EQ(Gpus::getDeviceIndex(), 3);
}

TEST(Launch, ThatFailsSaysWhichKernelOnWhichDeviceAndWhy) {
  const auto failing = [] { launch(kKernels, {c10::kCUDA, 2}, "dropout", [] { return kIllegalAddress; }); };
  EXPECT_THAT(failing,
              ThrowsMessage<std::runtime_error>("CUDA error: dropout on cuda:2 ended with cudaErrorIllegalAddress"));
  EXPECT_EQ(Gpus::getDeviceIndex(), 3) << "the guard holds for an exception, too";
}

TEST(Kernels, AreLibTorchsOnTheCpu) { EXPECT_EQ(kernels_for(c10::kCPU), nullptr); }

}  // namespace
}  // namespace palimpsest
