// Milliseconds of an adapted map's forward and backward on a GPU, its adapter added by products and by the kernel of our own, in turn.
//   low_rank_bench RUNS ROWS WIDTH_IN WIDTH_OUT RANK

#include <ATen/ATen.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/low_rank.h"
#include "runtime/run_axis.h"

namespace palimpsest {
namespace {

constexpr int kFirst = 20, kSteps = 200, kTurns = 5;

struct Case {
  Case(std::int64_t runs, std::int64_t rows, std::int64_t in, std::int64_t out, std::int64_t rank) {
    const auto options = at::TensorOptions(at::kFloat).device(compute_device());
    const auto drawn = [&](const std::vector<std::int64_t>& shape, bool trains) { return at::randn(shape, options).requires_grad_(trains); };
    x = drawn({runs, rows, in}, true);
    dy = drawn({runs, rows, out}, false);
    map = {{drawn({out, in}, false), false}, {drawn({out}, false), false},
           Adapter{drawn({runs, rank, in}, true), drawn({runs, out, rank}, true), drawn({runs}, false), {}}};
  }
  void step() const {
    for (const auto& t : {x, map.adapter->a, map.adapter->b}) t.mutable_grad().reset();
    linear(x, map).backward(dy);
  }
  void wait() const { x.grad().sum().item<float>(); }
  at::Tensor x, dy;
  LinearMap map;
};

double milliseconds(const Case& one, bool fused) {
  fuse_adapters_on_gpus(fused);
  for (int i = 0; i < kFirst; ++i) one.step();
  one.wait();
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kSteps; ++i) one.step();
  one.wait();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count() / kSteps;
}

void measure(const Case& one) {
  fuse_adapters_on_gpus(true);
  if (!fuses_adapters(compute_device())) throw InputError("libpalimpsest_cuda.so is not beside this program, or has no code for this GPU. Build the target palimpsest_cuda where nvcc is.");
  for (int turn = 0; turn < kTurns; ++turn) {
    const double products = milliseconds(one, false), kernel = milliseconds(one, true);
    std::printf("products %.4f ms, kernel %.4f ms, ratio %.2f\n", products, kernel, products / kernel);
  }
}

}  // namespace
}  // namespace palimpsest

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "low_rank_bench RUNS ROWS WIDTH_IN WIDTH_OUT RANK\n");
    return 2;
  }
  try {
    palimpsest::use_device("cuda", 0);
    palimpsest::measure({std::atoll(argv[1]), std::atoll(argv[2]), std::atoll(argv[3]), std::atoll(argv[4]), std::atoll(argv[5])});
  } catch (const palimpsest::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
}
