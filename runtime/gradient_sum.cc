#include "runtime/gradient_sum.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace palimpsest {

void GradientSum::all_reduce(Communicator& world, std::span<float> riders) {
  std::vector<at::Tensor> parts;
  for (const at::Tensor& parameter : parameters_)
    if (parameter.grad().defined()) parts.push_back(parameter.grad().flatten());
  parts.push_back(at::tensor(at::ArrayRef<float>(riders.data(), riders.size())));
  auto all = at::cat(parts);
  world.all_reduce(all, Reduction::kSum);
  row_ = all.slice(0, 0, all.numel() - std::ssize(riders));
  std::copy_n(all.data_ptr<float>() + row_.numel(), riders.size(), riders.begin());
}

double GradientSum::clip_and_hand_back(double largest_norm) {
  const double norm = row_.norm().item<double>();
  if (largest_norm > 0 && norm > largest_norm) row_.mul_(largest_norm / norm);
  std::int64_t at = 0;
  for (at::Tensor& parameter : parameters_) {
    auto& gradient = parameter.mutable_grad();
    if (!gradient.defined()) continue;
    gradient = row_.slice(0, at, at + gradient.numel()).view(gradient.sizes());
    at += gradient.numel();
  }
  return norm;
}

}  // namespace palimpsest
