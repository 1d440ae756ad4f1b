#include "runtime/gradient_sum.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace palimpsest {

void GradientSum::all_reduce(Communicator& world, std::span<float> riders) {
  std::vector<at::Tensor> parts;
  with_gradient_.clear();
  for (std::size_t i = 0; i < copies_[0].size(); ++i) {
    if (!copies_[0][i].grad().defined()) continue;
    at::Tensor sum = copies_[0][i].grad();
    for (std::size_t copy = 1; copy < copies_.size(); ++copy) sum = sum.add(copies_[copy][i].grad());
    parts.push_back(sum.flatten());
    with_gradient_.push_back(copies_[0][i]);
    for (auto& copy : copies_) copy[i].mutable_grad().reset();
  }
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
  for (at::Tensor& parameter : with_gradient_) {
    parameter.mutable_grad() = row_.slice(0, at, at + parameter.numel()).view(parameter.sizes());
    at += parameter.numel();
  }
  return norm;
}

}  // namespace palimpsest
