#include "runtime/block_walk.h"

#include <algorithm>

namespace palimpsest {
namespace {

// Rows of one head in [rows, width]: of image `image`, from column `column`.
template <class Pointer>
auto head_rows(Pointer first, std::int64_t width, std::int64_t T, std::int64_t image, std::int64_t column) {
  return first + image * T * width + column;
}

const float* multiplied(const float* x, const float* factor, std::int64_t n, Scratch& scratch) {
  if (!factor) return x;
  float* product = scratch.take(n);
  for (std::int64_t i = 0; i < n; ++i) product[i] = x[i] * factor[i];
  return product;
}

// Calls f(image, head, place of its square, column of its query).
template <class F>
void for_each_head(const BlockShape& s, std::int64_t images, const F& f) {
  for (std::int64_t image = 0; image < images; ++image)
    for (std::int64_t head = 0; head < s.heads; ++head)
      f(image, (image * s.heads + head) * s.asking * s.T, head * (s.C / s.heads));
}

void attend(const BlockShape& s, std::int64_t images, const BlockDrops& drops, const BlockActivations& made) {
  const auto C = s.C, W = 3 * C;
  for_each_head(s, images, [&](std::int64_t image, std::int64_t square, std::int64_t column) {
    const float* q = head_rows(made.qkv, W, s.T, image, column);
    kernels().attention({q, W}, {q + C, W}, {q + 2 * C, W}, drops.weights ? drops.weights + square : nullptr,
                        {head_rows(made.heads, C, s.asking, image, column), C},
                        made.probabilities ? made.probabilities + square : nullptr, s.asking, s.T, C / s.heads);
  });
}

void attend_backward(const BlockShape& s, std::int64_t images, const BlockDrops& drops, const BlockActivations& made,
                     const float* d_heads, float* d_qkv) {
  const auto C = s.C, W = 3 * C;
  for_each_head(s, images, [&](std::int64_t image, std::int64_t square, std::int64_t column) {
    const float* q = head_rows(made.qkv, W, s.T, image, column);
    float* dq = head_rows(d_qkv, W, s.T, image, column);
    kernels().attention_backward({q, W}, {q + C, W}, {q + 2 * C, W}, drops.weights ? drops.weights + square : nullptr,
                                 made.probabilities + square, {head_rows(d_heads, C, s.T, image, column), C}, {dq, W},
                                 {dq + C, W}, {dq + 2 * C, W}, s.T, C / s.heads);
  });
}

void normalise(const BlockShape& s, const NormView& norm, const float* x, float* y, float* moments, std::int64_t rows) {
  kernels().layer_norm(x, norm.weight, norm.bias, y, moments, rows, s.C, s.epsilon);
}

// dx = residual (or nothing) + what the norm passes back of dy.
void normalise_backward(const BlockShape& s, const NormView& norm, const float* x, const float* moments,
                        const float* dy, const float* residual, float* dx, std::int64_t rows, bool first) {
  if (first)
    for (float* sums : {norm.d_weight, norm.d_bias}) std::fill(sums, sums + s.C, 0.0f);
  kernels().layer_norm_backward(x, norm.weight, moments, dy, residual, dx, norm.d_weight, norm.d_bias, rows, s.C);
}

}  // namespace

PackedBlock::PackedBlock(const BlockView& block, bool forward, Scratch& scratch)
    : qkv(block.qkv, forward, scratch),
      output(block.output, forward, scratch),
      mlp_in(block.mlp_in, forward, scratch),
      mlp_out(block.mlp_out, forward, scratch) {}

void forward_attention(const BlockShape& s, const PackedBlock& packed, const BlockView& block, std::int64_t images,
                       const float* x, const BlockDrops& drops, const BlockActivations& made) {
  const auto C = s.C, rows = images * s.T;
  if (s.norm_first) normalise(s, block.norm1, x, made.normal1, made.moments1, rows);
  packed.qkv.forward({s.norm_first ? made.normal1 : x, C}, {made.qkv, 3 * C}, rows);
  attend(s, images, drops, made);
}

void forward_rest(const BlockShape& s, const PackedBlock& packed, const BlockView& block, std::int64_t rows,
                  const float* x, const BlockDrops& drops, const BlockActivations& made, float* out) {
  const auto C = s.C, F = s.F;
  packed.output.forward({made.heads, C}, {made.attended, C}, rows, {.factor = {drops.attended, C}, .residual = {x, C}});
  if (s.norm_first)
    normalise(s, block.norm2, made.attended, made.normal2, made.moments2, rows);
  else
    normalise(s, block.norm1, made.attended, made.normal2, made.moments1, rows);
  packed.mlp_in.forward({made.normal2, C}, {made.inside, F}, rows);
  s.activation(made.inside, made.active, rows * F);
  if (drops.inside)
    for (std::int64_t i = 0; i < rows * F; ++i) made.active[i] *= drops.inside[i];
  packed.mlp_out.forward({made.active, F}, {s.norm_first ? out : made.fed, C}, rows,
                         {.factor = {drops.fed, C}, .residual = {s.norm_first ? made.attended : made.normal2, C}});
  if (!s.norm_first) normalise(s, block.norm2, made.fed, out, made.moments2, rows);
}

void backward_block(const BlockShape& s, const PackedBlock& packed, const BlockView& block, std::int64_t images,
                    const float* x, const BlockDrops& drops, const BlockActivations& made, const float* d_out,
                    float* dx, bool first, Scratch& scratch) {
  const auto C = s.C, F = s.F, rows = images * s.T;
  const float* d_sum = d_out;  // of residual + feed-forward part
  if (!s.norm_first) {
    float* d_fed = scratch.take(rows * C);
    normalise_backward(s, block.norm2, made.fed, made.moments2, d_out, nullptr, d_fed, rows, first);
    d_sum = d_fed;
  }
  const float* d_fed = multiplied(d_sum, drops.fed, rows * C, scratch);
  map_gradients(block.mlp_out, {made.active, F}, {d_fed, C}, rows, first, scratch);
  float *d_active = scratch.take(rows * F), *d_inside = scratch.take(rows * F);
  packed.mlp_out.backward({d_fed, C}, {d_active, F}, rows, {.factor = {drops.inside, F}});
  s.activation_backward(made.inside, d_active, d_inside, rows * F);
  map_gradients(block.mlp_in, {made.normal2, C}, {d_inside, F}, rows, first, scratch);
  float *d_normal2 = scratch.take(rows * C), *d_attended = scratch.take(rows * C);
  packed.mlp_in.backward({d_inside, F}, {d_normal2, C}, rows, {.residual = {s.norm_first ? nullptr : d_sum, C}});
  if (s.norm_first)
    normalise_backward(s, block.norm2, made.attended, made.moments2, d_normal2, d_out, d_attended, rows, first);
  else
    normalise_backward(s, block.norm1, made.attended, made.moments1, d_normal2, nullptr, d_attended, rows, first);

  const float* d_output = multiplied(d_attended, drops.attended, rows * C, scratch);
  map_gradients(block.output, {made.heads, C}, {d_output, C}, rows, first, scratch);
  float *d_heads = scratch.take(rows * C), *d_qkv = scratch.take(3 * rows * C);
  packed.output.backward({d_output, C}, {d_heads, C}, rows);
  attend_backward(s, images, drops, made, d_heads, d_qkv);
  map_gradients(block.qkv, {s.norm_first ? made.normal1 : x, C}, {d_qkv, 3 * C}, rows, first, scratch);
  if (!s.norm_first) return packed.qkv.backward({d_qkv, 3 * C}, {dx, C}, rows, {.residual = {d_attended, C}});
  float* d_normal1 = scratch.take(rows * C);
  packed.qkv.backward({d_qkv, 3 * C}, {d_normal1, C}, rows);
  normalise_backward(s, block.norm1, x, made.moments1, d_normal1, d_attended, dx, rows, first);
}

}  // namespace palimpsest
