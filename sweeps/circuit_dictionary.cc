#include "sweeps/circuit_dictionary.h"

#include <ATen/ATen.h>

namespace palimpsest {
namespace {

// P pixels of a patch, K atoms, B patches of a batch.
constexpr std::int64_t kBatches = 400, kPatches = 128, kShrinkages = 40;
constexpr double kSparseness = 1.0, kRate = 0.3;  // patches have length sqrt(P), atoms 1

at::Tensor unit_columns(const at::Tensor& x) { return x / x.square().sum(0, true).sqrt().clamp_min(1e-12); }

/// Patch `number` of the stream, [P].
at::Tensor patch(const std::vector<GreyImage>& images, const CircuitInputConfig& config, const RandomStream& stream, std::uint64_t number) {
  const auto places = static_cast<double>(config.side - config.filter + 1);
  const auto drawn = [&](std::uint64_t which, double below) { return static_cast<std::int64_t>(stream.uniform(3 * number + which) * below); };
  const auto& image = images[static_cast<std::size_t>(drawn(0, static_cast<double>(images.size())))];
  const auto row = drawn(1, places), column = drawn(2, places);
  std::vector<double> out;
  for (int y = 0; y < config.filter; ++y)
    for (int x = 0; x < config.filter; ++x) out.push_back(image[static_cast<std::size_t>((row + y) * config.side + column + x)]);
  return at::tensor(out, at::kDouble);
}

at::Tensor batch(const std::vector<GreyImage>& images, const CircuitInputConfig& config, const RandomStream& stream) {
  std::vector<at::Tensor> all;
  for (std::uint64_t i = 0; i < kPatches; ++i) {
    const auto raw = patch(images, config, stream, i), centred = raw - raw.mean();
    all.push_back(centred / centred.square().mean().sqrt().clamp_min(1e-3));
  }
  return at::stack(all, 1);
}

/// argmin |x - D a|^2 / 2 + kSparseness |a|_1, nearly. [K, B]
at::Tensor codes(const at::Tensor& dictionary_PK, const at::Tensor& patches_PB) {
  const auto gram = at::matmul(dictionary_PK.t(), dictionary_PK), towards = at::matmul(dictionary_PK.t(), patches_PB);
  const double step = 1 / at::linalg_eigvalsh(gram).max().item<double>();
  auto a = at::zeros_like(towards);
  for (std::int64_t i = 0; i < kShrinkages; ++i) a = at::softshrink(a + step * (towards - at::matmul(gram, a)), step * kSparseness);
  return a;
}

at::Tensor first_dictionary(std::int64_t pixels, std::int64_t atoms, const RandomStream& stream) {
  auto normal = at::empty({pixels, atoms});
  stream.fill_normal(normal.data_ptr<float>(), normal.numel());
  return unit_columns(normal.to(at::kDouble));
}

}  // namespace

std::vector<std::vector<double>> learned_bank(const std::vector<GreyImage>& images, const CircuitInputConfig& config, const RandomStream& stream) {
  auto dictionary = first_dictionary(config.filter * config.filter, config.features(), stream.child(purpose("first")));
  for (std::int64_t t = 0; t < kBatches; ++t) {
    const auto x = batch(images, config, stream.child(static_cast<std::uint64_t>(t)));
    const auto a = codes(dictionary, x);
    const auto error = x - at::matmul(dictionary, a);
    dictionary = unit_columns(dictionary + kRate / static_cast<double>(kPatches) * at::matmul(error, a.t()));
  }
  const auto filters = unit_columns(dictionary - dictionary.mean(0, true)).t().contiguous();  // [K, P]
  std::vector<std::vector<double>> out;
  for (std::int64_t k = 0; k < filters.size(0); ++k)
    out.emplace_back(filters[k].data_ptr<double>(), filters[k].data_ptr<double>() + filters.size(1));
  return out;
}

}  // namespace palimpsest
