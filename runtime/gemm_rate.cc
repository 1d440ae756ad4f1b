#include "runtime/gemm_rate.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <chrono>
#include <numeric>
#include <vector>

namespace palimpsest {

double gemm_rate(Crew& crew) {
  using Clock = std::chrono::steady_clock;
  constexpr std::int64_t kSide = 512;
  constexpr std::chrono::duration<double> kTime{0.1};
  std::vector<double> rates(static_cast<std::size_t>(crew.size()));
  crew.each([&](int thread) {
    const c10::NoGradGuard no_gradient;
    const auto a = at::ones({kSide, kSide}), b = at::ones({kSide, kSide});
    auto c = at::mm(a, b);  // the first one makes ready
    const auto begin = Clock::now();
    std::chrono::duration<double> taken{};
    double done = 0;
    for (; taken < kTime; taken = Clock::now() - begin, ++done) at::mm_out(c, a, b);
    rates[static_cast<std::size_t>(thread)] = done * 2 * kSide * kSide * kSide / taken.count();
  });
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

double gemm_rate(at::Device device, at::ScalarType type) {
  using Clock = std::chrono::steady_clock;
  constexpr std::int64_t kSide = 8192;
  constexpr int kProducts = 20;
  const c10::NoGradGuard no_gradient;
  const auto a = at::ones({kSide, kSide}, at::TensorOptions(type).device(device)), b = at::ones_like(a);
  auto c = at::mm(a, b);
  const auto wait = [&] { return c[0][0].item<float>(); };  // products are only begun by the host
  wait();
  const auto begin = Clock::now();
  for (int i = 0; i < kProducts; ++i) at::mm_out(c, a, b);
  wait();
  return kProducts * 2.0 * kSide * kSide * kSide / std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace palimpsest
