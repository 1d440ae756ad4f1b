// Kernels for CUDA devices, a library of its own that the program loads where it finds a GPU. One row of blocks is one run.

#include <algorithm>

#include "runtime/device_elements.h"
#include "runtime/device_kernels.h"
#include "runtime/low_rank_pass.h"

namespace palimpsest {
namespace {

constexpr int kThreads = 256, kMostBlocks = 4096;
constexpr std::int64_t kRunsAtOnce = 128;     // whose keys travel as an argument of the kernel
constexpr std::int64_t kMostRuns = 65535;     // of a grid

struct Keys {
  std::uint64_t of_run[kRunsAtOnce];
};

Keys first_of(const std::uint64_t* keys, std::int64_t count) {
  Keys out = {};
  std::copy(keys, keys + count, out.of_run);
  return out;
}

cudaStream_t stream_of(void* handle) { return static_cast<cudaStream_t>(handle); }

dim3 grid(std::int64_t elements, std::int64_t runs) {
  const std::int64_t blocks = std::min<std::int64_t>((elements + kThreads - 1) / kThreads, kMostBlocks);
  return {static_cast<unsigned>(std::max<std::int64_t>(blocks, 1)), static_cast<unsigned>(runs)};
}

__global__ void dropout_kernel(Keys keys, std::uint32_t threshold, float kept, float* out, std::int64_t n) {
  float* const own = out + blockIdx.y * n;
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t block = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; block * 8 < n; block += stride) {
    float eight[8];
    dropout_elements(keys.of_run[blockIdx.y], static_cast<std::uint64_t>(block), threshold, kept, eight);
    for (int i = 0; i < 8 && block * 8 + i < n; ++i) own[block * 8 + i] = eight[i];
  }
}

__global__ void adamw_kernel(float* value, const float* gradient, float* first, float* second, std::int64_t n, const AdamWStep* steps) {
  const std::int64_t begin = blockIdx.y * n, stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  const AdamWStep step = steps[blockIdx.y];
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += stride)
    adamw_element(value[begin + i], gradient[begin + i], first[begin + i], second[begin + i], step);
}

int dropout(const std::uint64_t* keys, std::int64_t runs, std::uint32_t threshold, float kept, float* out, std::int64_t n, void* stream) {
  for (std::int64_t at = 0; at < runs; at += kRunsAtOnce) {
    const auto count = std::min(kRunsAtOnce, runs - at);
    dropout_kernel<<<grid((n + 7) / 8, count), kThreads, 0, stream_of(stream)>>>(first_of(keys + at, count), threshold, kept, out + at * n, n);
  }
  return cudaGetLastError();
}

int adamw(float* value, const float* gradient, float* first, float* second, std::int64_t runs, std::int64_t n, const AdamWStep* steps, void* stream) {
  for (std::int64_t at = 0; at < runs; at += kMostRuns) {
    const auto count = std::min(kMostRuns, runs - at);
    const auto begin = at * n;
    adamw_kernel<<<grid(n, count), kThreads, 0, stream_of(stream)>>>(value + begin, gradient + begin, first + begin, second + begin, n, steps + at);
  }
  return cudaGetLastError();
}

// A piece of one run's rows: each warp forms the low numbers of some, then each thread its columns.
template <int kRank>
__global__ void __launch_bounds__(kThreads) low_rank_kernel(LowRankPass pass) {
  static_assert(kThreads / kLanes * kRowsOfAWarp == kRowsOfAPiece);
  __shared__ alignas(16) float low[kRowsOfAPiece][kRank];
  const std::int64_t pieces = pieces_of(pass.rows), run = blockIdx.x / pieces, piece = blockIdx.x % pieces;
  const int row = static_cast<int>(threadIdx.x) / kLanes * kRowsOfAWarp, lane = static_cast<int>(threadIdx.x) % kLanes;
  float sums[kRowsOfAWarp][kRank];
  low_of_lane<kRank>(pass, run, piece * kRowsOfAPiece + row, lane, sums);
#pragma unroll
  for (int i = 0; i < kRowsOfAWarp; ++i)
#pragma unroll
    for (int k = 0; k < kRank; ++k) {
      for (int offset = kLanes / 2; offset > 0; offset /= 2) sums[i][k] += __shfl_xor_sync(0xFFFFFFFFu, sums[i][k], offset);
      if (lane == 0) low[row + i][k] = pass.scale[run] * sums[i][k];
    }
  __syncthreads();
  for (std::int64_t column = threadIdx.x; column < pass.width_out; column += kThreads) column_of_piece<kRank>(pass, run, piece, column, low);
}

__global__ void gradient_kernel(LowRankPass pass, std::int64_t elements) {
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < elements; i += stride) gradient_element(pass, i);
}

int low_rank(const LowRankPass& pass, void* stream) {
  const auto blocks = static_cast<unsigned>(pass.runs * pieces_of(pass.rows));
  with_padded_rank(pass.rank, [&](auto rank) { low_rank_kernel<rank><<<blocks, kThreads, 0, stream_of(stream)>>>(pass); });
  const std::int64_t elements = pass.runs * pass.rank * pass.width_out;
  if (pass.gradient) gradient_kernel<<<grid(elements, 1), kThreads, 0, stream_of(stream)>>>(pass, elements);
  return cudaGetLastError();
}

int run_here() {
  cudaFuncAttributes attributes;
  const cudaError_t error = cudaFuncGetAttributes(&attributes, adamw_kernel);
  cudaGetLastError();  // forgotten: it is an answer
  return error;
}

const char* error_name(int error) { return cudaGetErrorName(static_cast<cudaError_t>(error)); }

}  // namespace
}  // namespace palimpsest

extern "C" const palimpsest::DeviceKernels palimpsest_device_kernels;
const palimpsest::DeviceKernels palimpsest_device_kernels = {
    .dropout = palimpsest::dropout, .adamw = palimpsest::adamw, .low_rank = palimpsest::low_rank, .run_here = palimpsest::run_here, .error_name = palimpsest::error_name};
