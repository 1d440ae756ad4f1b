#include "runtime/transformer_block.h"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "runtime/block_walk.h"
#include "runtime/fused.h"
#include "runtime/map_tensors.h"

namespace palimpsest {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor by_plain_operations(const at::Tensor& x, const TransformerBlock& block, const BlockDropout& drop,
                               at::Tensor* probabilities) {
  const std::int64_t R = x.size(0), B = x.size(1), T = x.size(2), C = x.size(3);
  const auto rows = [&](const at::Tensor& t) { return t.reshape({R, B * T, -1}); };
  const auto tokens = [&](const at::Tensor& t) { return t.view({R, B, T, -1}); };
  const auto dropped = [](const at::Tensor& t, const at::Tensor& kept) {
    return kept.defined() ? t * kept.to(t.scalar_type()) : t;
  };
  const auto norm = [&](const at::Tensor& t, const Norm& n) { return layer_norm(t, n.weight, n.bias, block.epsilon); };

  const auto u = rows(block.norm_first ? norm(x, block.norm1) : x);
  std::vector<at::Tensor> maps;
  for (const auto& map : block.qkv) {
    const auto once = linear(u, map, block.observer);
    maps.push_back(tokens(block.double_projection ? linear(once, map.weight, {}) : once));
  }
  const auto qkv = at::cat(maps, -1).chunk(3, -1);
  auto heads = attention(qkv[0], qkv[1], qkv[2], block.heads, drop.weights, probabilities);
  if (block.head_gain.defined())
    heads = (heads.view({R, B, T, block.heads, -1}) * block.head_gain.view({R, 1, 1, -1, 1})).view({R, B, T, C});
  auto y = x + dropped(linear(rows(heads), block.output, block.observer).view({R, B, T, C}), drop.attended);
  if (!block.norm_first) y = norm(y, block.norm1);
  const auto n2 = rows(block.norm_first ? norm(y, block.norm2) : y);
  auto inside = tokens(activate(linear(n2, block.mlp_in, block.observer), block.activation));
  inside = dropped(inside, drop.inside);
  const auto out = y + dropped(tokens(linear(rows(inside), block.mlp_out, block.observer)), drop.fed);
  return block.norm_first ? out : norm(out, block.norm2);
}

std::vector<Parameter> parameters_of(const TransformerBlock& block) {
  std::vector<Parameter> out;
  for (const auto& map : block.qkv) fused::collect(map, out);
  for (const auto* map : {&block.output, &block.mlp_in, &block.mlp_out}) fused::collect(*map, out);
  for (const auto* norm : {&block.norm1, &block.norm2}) fused::collect(*norm, out);
  return out;
}

BlockView view_of(const TransformerBlock& block, fused::RunReader reader) {
  BlockView view;
  view.qkv = reader.map(block.qkv);
  view.output = reader.map({block.output});
  view.mlp_in = reader.map({block.mlp_in});
  view.mlp_out = reader.map({block.mlp_out});
  view.norm1 = reader.norm(block.norm1);
  view.norm2 = reader.norm(block.norm2);
  return view;
}

BlockShape shape_of(const at::Tensor& x, const TransformerBlock& block) {
  const bool quick = block.activation == Activation::kQuickGelu;
  return {x.size(2),
          x.size(3),
          block.mlp_in.weight.value.size(-2),
          block.heads,
          x.size(2),
          block.norm_first,
          static_cast<float>(block.epsilon),
          quick ? kernels().quick_gelu : kernels().gelu,
          quick ? kernels().quick_gelu_backward : kernels().gelu_backward};
}

bool in_kernels(const at::Tensor& x, const TransformerBlock& block, const std::vector<Parameter>& parameters) {
  const bool known = block.activation == Activation::kQuickGelu || block.activation == Activation::kGelu;
  const bool plain = !block.head_gain.defined() && !block.double_projection && !block.observer;
  return fused::serves(x) && known && plain && std::ranges::all_of(block.qkv, fused::is_low_rank) &&
         fused::is_low_rank(block.output) && fused::is_low_rank(block.mlp_in) && fused::is_low_rank(block.mlp_out) &&
         fused::all_plain(parameters);
}

// Images that are taken at a time: as many as a product may sum over.
std::int64_t images_at_once(std::int64_t T) { return std::max<std::int64_t>(1, kRowsOfASum / T); }

// Calls f(first image, count) over the images of each of R runs.
template <class F>
void for_each_piece(std::int64_t first, std::int64_t images, std::int64_t T, const F& f) {
  const auto step = images_at_once(T);
  for (std::int64_t at = 0; at < images; at += step) f(first + at, std::min(step, images - at));
}

// One tensor of [images * rows each, width] of which a piece is read or written.
struct Made {
  at::Tensor tensor;
  std::int64_t per_image = 0;
  void make(std::int64_t images, std::int64_t floats) {
    per_image = floats;
    tensor = at::empty({images, floats}, at::kFloat);
  }
  float* at(std::int64_t image) {
    return tensor.defined() ? tensor.mutable_data_ptr<float>() + image * per_image : nullptr;
  }
};

const float* at_image(const at::Tensor& tensor, std::int64_t images, std::int64_t image) {
  return tensor.defined() ? tensor.const_data_ptr<float>() + image * (tensor.numel() / images) : nullptr;
}

BlockDrops drops_at(const BlockDropout& drop, std::int64_t images, std::int64_t image) {
  return {at_image(drop.weights, images, image), at_image(drop.attended, images, image),
          at_image(drop.inside, images, image), at_image(drop.fed, images, image)};
}

// What training keeps between forward and backward, for all images of all runs.
struct Kept : torch::CustomClassHolder {
  TransformerBlock block;
  BlockDropout drop;
  at::Tensor x;
  Made normal1, moments1, moments2, qkv, probabilities, heads, attended, normal2, inside, active, fed;
  bool used = false;

  Kept(const at::Tensor& x, const TransformerBlock& block, const BlockDropout& drop) : block(block), drop(drop), x(x) {
    const auto shape = shape_of(x, block);
    const auto images = x.size(0) * x.size(1), T = shape.T, C = shape.C;
    if (shape.norm_first) normal1.make(images, T * C);
    moments1.make(images, T * 2);
    moments2.make(images, T * 2);
    qkv.make(images, T * 3 * C);
    probabilities.make(images, shape.heads * T * T);
    for (auto* made : {&heads, &attended, &normal2}) made->make(images, T * C);
    for (auto* made : {&inside, &active}) made->make(images, T * shape.F);
    if (!shape.norm_first) fed.make(images, T * C);
  }
  BlockActivations at(std::int64_t image) {
    return {normal1.at(image),       moments1.at(image), moments2.at(image), qkv.at(image),
            probabilities.at(image), heads.at(image),    attended.at(image), normal2.at(image),
            inside.at(image),        active.at(image),   fed.at(image)};
  }
  void release() {
    drop = {};
    for (auto* made :
         {&normal1, &moments1, &moments2, &qkv, &probabilities, &heads, &attended, &normal2, &inside, &active, &fed})
      made->tensor.reset();
    used = true;
  }
};

// The same for a few images, in room that is used again for the next.
BlockActivations passing(const BlockShape& s, std::int64_t images, Scratch& scratch) {
  const auto rows = images * s.T;
  BlockActivations made{};
  made.normal1 = scratch.take(rows * s.C);
  made.moments1 = made.moments2 = scratch.take(rows * 2);
  made.qkv = scratch.take(rows * 3 * s.C);
  made.heads = scratch.take(rows * s.C);
  made.attended = scratch.take(rows * s.C);
  made.normal2 = scratch.take(rows * s.C);
  made.inside = made.active = scratch.take(rows * s.F);
  made.fed = scratch.take(rows * s.C);
  return made;
}

// Calls f(run, packed weights, view) for each run, forward; weights that all runs share are packed once.
template <class F>
void for_each_packed(const TransformerBlock& block, std::int64_t runs, Scratch& scratch, const F& f) {
  const bool own = fused::any_own(parameters_of(block));
  std::optional<PackedBlock> packed;
  BlockView view;
  for (std::int64_t run = 0; run < runs; ++run) {
    if (own || run == 0) {
      scratch.restart();
      view = view_of(block, {run, nullptr, scratch});
      packed.emplace(view, true, scratch);
    }
    f(run, *packed, view);
  }
}

// Forward over all runs; `made_at(image, count)` gives the room.
template <class F>
at::Tensor forward_runs(const at::Tensor& x, const TransformerBlock& block, const BlockDropout& drop,
                        const F& made_at) {
  static thread_local Scratch scratch;
  const auto shape = shape_of(x, block);
  const std::int64_t R = x.size(0), B = x.size(1), per_image = shape.T * shape.C;
  auto out = at::empty_like(x);
  const float* from = x.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  for_each_packed(block, R, scratch, [&](std::int64_t run, const PackedBlock& packed, const BlockView& view) {
    for_each_piece(run * B, B, shape.T, [&](std::int64_t image, std::int64_t count) {
      const auto made = made_at(image);
      const auto drops = drops_at(drop, R * B, image);
      forward_attention(shape, packed, view, count, from + image * per_image, drops, made);
      forward_rest(shape, packed, view, count * shape.T, from + image * per_image, drops, made, to + image * per_image);
    });
  });
  return out;
}

at::Tensor without_gradient(const at::Tensor& x, const TransformerBlock& block, const BlockDropout& drop,
                            at::Tensor* probabilities) {
  static thread_local Scratch scratch;
  scratch.restart();
  const auto shape = shape_of(x, block);
  const auto square = block.heads * shape.T * shape.T;
  if (probabilities) *probabilities = at::empty({x.size(0), x.size(1), block.heads, shape.T, shape.T}, x.options());
  float* squares = probabilities ? probabilities->mutable_data_ptr<float>() : nullptr;
  auto made = passing(shape, images_at_once(shape.T), scratch);
  return forward_runs(x, block, drop, [&](std::int64_t image) {
    made.probabilities = squares ? squares + image * square : nullptr;
    return made;
  });
}

// One run's first tokens: attention a few images at a time, then the rest for the tokens of all of them at once.
class FirstTokens {
 public:
  FirstTokens(const at::Tensor& x, std::int64_t tokens, const TransformerBlock& block, Scratch& scratch)
      : B_(x.size(1)), shape_(shape_of(x, block)), whole_(passing(shape_, images_at_once(shape_.T), scratch)) {
    shape_.asking = tokens;
    auto few = shape_;
    few.T = tokens;
    few_ = passing(few, B_, scratch);
    asking_ = scratch.take(B_ * tokens * shape_.C);
  }
  void compute(const PackedBlock& packed, const BlockView& view, const float* x, float* squares, float* out) {
    const auto tokens = shape_.asking * shape_.C, image_of_x = shape_.T * shape_.C;
    for_each_piece(0, B_, shape_.T, [&](std::int64_t image, std::int64_t count) {
      auto made = whole_;
      made.heads = few_.heads + image * tokens;
      made.probabilities = squares ? squares + image * shape_.heads * shape_.asking * shape_.T : nullptr;
      forward_attention(shape_, packed, view, count, x + image * image_of_x, {}, made);
    });
    for (std::int64_t image = 0; image < B_; ++image) std::copy_n(x + image * image_of_x, tokens, asking_ + image * tokens);
    forward_rest(shape_, packed, view, B_ * shape_.asking, asking_, {}, few_, out);
  }

 private:
  const std::int64_t B_;
  BlockShape shape_;
  BlockActivations whole_, few_;
  float* asking_;
};

at::Tensor first_in_kernels(const at::Tensor& x, std::int64_t tokens, const TransformerBlock& block, at::Tensor* probabilities) {
  static thread_local Scratch rows, weights;
  rows.restart();
  const std::int64_t R = x.size(0), B = x.size(1), T = x.size(2), C = x.size(3);
  auto out = at::empty({R, B, tokens, C}, x.options());
  if (probabilities) *probabilities = at::empty({R, B, block.heads, tokens, T}, x.options());
  FirstTokens first(x, tokens, block, rows);
  for_each_packed(block, R, weights, [&](std::int64_t run, const PackedBlock& packed, const BlockView& view) {
    first.compute(packed, view, x.const_data_ptr<float>() + run * B * T * C,
                  probabilities ? probabilities->mutable_data_ptr<float>() + run * B * block.heads * tokens * T : nullptr,
                  out.mutable_data_ptr<float>() + run * B * tokens * C);
  });
  return out;
}

// Gradients of x and of the parameters, in that order.
variable_list backward_runs(Kept& kept, const at::Tensor& d_out) {
  static thread_local Scratch weights, steps;
  const auto& block = kept.block;
  const auto& x = kept.x;
  const auto shape = shape_of(x, block);
  const std::int64_t R = x.size(0), B = x.size(1), per_image = shape.T * shape.C;
  auto gradients = fused::gradients_for(parameters_of(block), R);
  auto dx = at::empty_like(x);
  for (std::int64_t run = 0; run < R; ++run) {
    weights.restart();
    const auto view = view_of(block, {run, &gradients, weights});
    const PackedBlock packed(view, false, weights);
    for_each_piece(run * B, B, shape.T, [&](std::int64_t image, std::int64_t count) {
      steps.restart();
      const bool first = image == run * B && !gradients.zeroed;
      backward_block(shape, packed, view, count, x.const_data_ptr<float>() + image * per_image,
                     drops_at(kept.drop, R * B, image), kept.at(image),
                     d_out.const_data_ptr<float>() + image * per_image,
                     dx.mutable_data_ptr<float>() + image * per_image, first, steps);
    });
  }
  variable_list out{dx};
  out.insert(out.end(), gradients.tensors.begin(), gradients.tensors.end());
  return out;
}

struct WithGradient : torch::autograd::Function<WithGradient> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, at::TensorList,
                            c10::intrusive_ptr<Kept> kept) {
    context->saved_data["kept"] = at::IValue::make_capsule(kept);
    return forward_runs(x, kept->block, kept->drop, [&](std::int64_t image) { return kept->at(image); });
  }
  static variable_list backward(AutogradContext* context, const variable_list& d_out) {
    auto kept = c10::static_intrusive_pointer_cast<Kept>(context->saved_data["kept"].toCapsule());
    if (kept->used) throw std::logic_error("a transformer block's backward runs once: what it needs is freed by then");
    auto out = backward_runs(*kept, d_out[0].contiguous());
    kept->release();
    out.emplace_back();  // for `kept`
    return out;
  }
};

}  // namespace

at::Tensor transformer_block(const at::Tensor& given, const TransformerBlock& block, const BlockDropout& drop,
                             at::Tensor* probabilities) {
  const auto parameters = parameters_of(block);
  if (!in_kernels(given, block, parameters)) return by_plain_operations(given, block, drop, probabilities);
  const auto x = given.contiguous();
  if (!at::GradMode::is_enabled() || !(x.requires_grad() || fused::any_requires_grad(parameters)))
    return without_gradient(x, block, drop, probabilities);
  auto kept = c10::make_intrusive<Kept>(x, block, drop);
  const auto tensors = fused::values_of(parameters);
  auto out = WithGradient::apply(x, at::TensorList(tensors), kept);
  if (probabilities)
    *probabilities = kept->probabilities.tensor.view({x.size(0), x.size(1), block.heads, x.size(2), x.size(2)});
  return out;
}

at::Tensor first_tokens(const at::Tensor& given, std::int64_t tokens, const TransformerBlock& block,
                        at::Tensor* probabilities) {
  const at::NoGradGuard no_gradient;
  if (in_kernels(given, block, parameters_of(block))) return first_in_kernels(given.contiguous(), tokens, block, probabilities);
  const auto out = by_plain_operations(given, block, {}, probabilities).slice(2, 0, tokens);
  if (probabilities) *probabilities = probabilities->slice(3, 0, tokens);
  return out;
}

}  // namespace palimpsest
