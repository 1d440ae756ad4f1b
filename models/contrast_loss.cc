#include "models/contrast_loss.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace palimpsest {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// [n, N] -> the sum over rows i of -log softmax(row)[first + i].
at::Tensor cross_entropy_sum(const at::Tensor& logits, std::int64_t first) {
  const auto own = logits.slice(1, first, first + logits.size(0)).diagonal();
  return (logits.logsumexp(1) - own).sum();
}

struct BoundedAbove : torch::autograd::Function<BoundedAbove> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, double bound) {
    context->save_for_backward({x});
    context->saved_data["bound"] = bound;
    return x.clamp_max(bound);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto x = context->get_saved_variables()[0];
    const auto passes =
        (x < context->saved_data["bound"].toDouble()).logical_or(gradients[0] > 0);  // a step goes against the gradient
    return {gradients[0] * passes, {}};
  }
};

}  // namespace

at::Tensor contrast_loss(const at::Tensor& mine, const at::Tensor& all, std::int64_t first, const at::Tensor& scale,
                         std::int64_t global_size) {
  // In double precision: logits are large beside what tells them apart, and their rounding would depend on the ranks.
  const auto rows = mine.to(at::kDouble), columns = all.to(at::kDouble);
  const auto D = rows.size(1) / 2;
  const auto a = rows.slice(1, 0, D), b = rows.slice(1, D), all_a = columns.slice(1, 0, D), all_b = columns.slice(1, D);
  const auto sum =
      cross_entropy_sum(a.matmul(all_b.t()) * scale, first) + cross_entropy_sum(b.matmul(all_a.t()) * scale, first);
  return sum / (2.0 * static_cast<double>(global_size));
}

at::Tensor bounded_above(const at::Tensor& x, double bound) { return BoundedAbove::apply(x, bound); }

}  // namespace palimpsest
