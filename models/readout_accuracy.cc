#include "models/readout_accuracy.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "models/unit_rows.h"
#include "runtime/random_stream.h"

namespace palimpsest {
namespace {

constexpr double kTemperature = 0.07;
constexpr std::int64_t kRowsAtOnce = 512;

}  // namespace

at::Tensor nearest_neighbours(const at::Tensor& train, const at::Tensor& labels, const at::Tensor& test, std::int64_t k,
                              std::int64_t classes) {
  const auto near = unit_rows(train.to(at::kDouble)).t().contiguous(), asked = unit_rows(test.to(at::kDouble));
  std::vector<at::Tensor> out;
  for (std::int64_t first = 0; first < asked.size(0); first += kRowsAtOnce) {
    const auto similarity = at::mm(asked.slice(0, first, first + kRowsAtOnce), near);
    const auto [most, which] = similarity.topk(std::min(k, train.size(0)), -1);
    const auto votes = at::zeros({similarity.size(0), classes}, at::kDouble)
                           .scatter_add(1, labels.index({which}), ((most - 1.0) / kTemperature).exp());
    out.push_back(votes.argmax(-1));
  }
  return at::cat(out);
}

Share wilson(std::int64_t right, std::int64_t n) {
  constexpr double z = 1.959963984540054;
  const double N = static_cast<double>(n), p = static_cast<double>(right) / N;
  const double middle = (p + z * z / (2 * N)) / (1 + z * z / N);
  const double half = z / (1 + z * z / N) * std::sqrt(p * (1 - p) / N + z * z / (4 * N * N));
  return {p, std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

Share bootstrap_mean(const std::vector<double>& values) {
  constexpr std::int64_t kResamples = 2000;
  const auto n = values.size();
  const auto mean = [&](auto value_at) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += value_at(i);
    return sum / static_cast<double>(n);
  };
  std::vector<double> means;
  for (std::int64_t r = 0; r < kResamples; ++r) {
    const auto stream = RandomStream(purpose("bootstrap")).child(static_cast<std::uint64_t>(r));
    means.push_back(mean([&](std::size_t i) { return values[stream.below(i, n)]; }));
  }
  std::ranges::sort(means);
  const auto at = [&](double share) { return means[static_cast<std::size_t>(share * (kResamples - 1))]; };
  return {mean([&](std::size_t i) { return values[i]; }), at(0.025), at(0.975)};
}

}  // namespace palimpsest
