#include "runtime/recomputed.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace palimpsest {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct SecondTime : torch::CustomClassHolder {
  BlockFunction compute;
  BackwardRim rim;
};

struct Recomputed : torch::autograd::Function<Recomputed> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const c10::intrusive_ptr<SecondTime>& second) {
    context->save_for_backward({x});
    context->saved_data["second"] = c10::IValue::make_capsule(second);
    return second->compute(x);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto second = c10::static_intrusive_pointer_cast<SecondTime>(context->saved_data["second"].toCapsule());
    const auto x = context->get_saved_variables()[0].detach().requires_grad_(true);
    second->rim.before();
    {
      const at::AutoGradMode with_graph(true);
      torch::autograd::backward({second->compute(x)}, {gradients[0]});
    }
    second->rim.after();
    return {x.grad(), at::Tensor()};
  }
};

}  // namespace

at::Tensor recomputed(const at::Tensor& x, const BlockFunction& compute, const BackwardRim& rim) {
  const auto second = c10::make_intrusive<SecondTime>();
  second->compute = compute;
  second->rim = rim;
  // A graph begins where an input asks for it; the weights do, even where this one does not.
  return Recomputed::apply(x.requires_grad() ? x : x.detach().requires_grad_(true), second);
}

}  // namespace palimpsest
