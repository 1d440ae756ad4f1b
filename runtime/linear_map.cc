#include "runtime/linear_map.h"

#include <algorithm>

namespace palimpsest {
namespace {

// to [D, C] = W + s B A
void fold(const MapPart& part, std::int64_t in, float* to, Scratch& scratch) {
  if (part.rank == 0) {
    std::copy(part.weight, part.weight + part.out * in, to);
    return;
  }
  float* panels = scratch.take(size_of_panels(part.rank, in));
  kernels().right_of_rows({part.a, in}, part.rank, in, panels);
  kernels().product(left_of(part.b, part.rank), right_of_panels(panels, part.rank),
                    {.residual = {part.weight, in}, .scale = part.scale}, {to, in}, part.out, in, part.rank);
}

// W of all parts, one below the other: theirs where nothing has to be made.
const float* stacked(const MapView& map, Scratch& scratch) {
  if (map.parts.size() == 1 && map.parts[0].rank == 0) return map.parts[0].weight;
  float* whole = scratch.take(map.out() * map.in);
  float* to = whole;
  for (const auto& part : map.parts) {
    fold(part, map.in, to, scratch);
    to += part.out * map.in;
  }
  return whole;
}

const float* stacked_bias(const MapView& map, Scratch& scratch) {
  if (map.parts.size() == 1) return map.parts[0].bias;
  float* whole = scratch.take(map.out());
  float* to = whole;
  for (const auto& part : map.parts) {
    if (part.bias)
      std::copy(part.bias, part.bias + part.out, to);
    else
      std::fill(to, to + part.out, 0.0f);
    to += part.out;
  }
  return whole;
}

// Where gradients are added to what is there.
RowView added_to(const float* gradient, std::int64_t stride, bool first) { return {first ? nullptr : gradient, stride}; }

// Of an adapter, from x as panels and dy as it is and in sixes.
void adapter_gradients(const MapPart& part, std::int64_t in, RowView x, RowView dy, const LeftFactor& dy_sixes,
                       const RightFactor& x_panels, std::int64_t rows, bool first, Scratch& scratch) {
  const auto r = part.rank;
  float *low = scratch.take(rows * r), *d_low = scratch.take(rows * r), *panels = scratch.take(size_of_panels(in, r));
  kernels().right_of_transposed({part.a, in}, in, r, panels);
  kernels().product(left_of(x.first, x.stride), right_of_panels(panels, in), {}, {low, r}, rows, r, in);  // A x
  kernels().product(dy_sixes, right_of({low, r}), {.residual = added_to(part.d_b, r, first), .scale = part.scale},
                    {part.d_b, r}, part.out, r, rows);
  kernels().product(left_of(dy.first, dy.stride), right_of({part.b, r}), {.scale = part.scale}, {d_low, r}, rows, r,
                    part.out);
  kernels().product({d_low, 1, r, kProductRows}, x_panels, {.residual = added_to(part.d_a, in, first)}, {part.d_a, in},
                    r, in, rows);
}

void gradients_of_few_rows(const MapView& map, RowView x, RowView dy, std::int64_t rows, bool first, Scratch& scratch) {
  float* panels = scratch.take(size_of_panels(rows, map.in));
  float* sixes = scratch.take(size_of_sixes(map.out(), rows) + kProductRows * rows);
  kernels().right_of_rows(x, rows, map.in, panels);
  const auto x_panels = right_of_panels(panels, rows);
  for (const auto& part : map.parts) {
    if (part.d_bias) {
      if (first) std::fill(part.d_bias, part.d_bias + part.out, 0.0f);
      kernels().column_sums(dy, rows, part.out, part.d_bias);
    }
    const bool adapts = part.d_a && part.d_b;
    if (part.d_weight || adapts) kernels().left_of_transposed(dy, part.out, rows, sixes);
    const auto dy_sixes = left_of_sixes(sixes, rows);
    if (part.d_weight)
      kernels().product(dy_sixes, x_panels, {.residual = added_to(part.d_weight, map.in, first)},
                        {part.d_weight, map.in}, part.out, map.in, rows);
    if (adapts) adapter_gradients(part, map.in, x, dy, dy_sixes, x_panels, rows, first, scratch);
    dy.first += part.out;
  }
}

bool wants_gradients(const MapView& map) {
  return std::ranges::any_of(map.parts, [](const MapPart& p) { return p.d_weight || p.d_bias || p.d_a; });
}

}  // namespace

std::int64_t MapView::out() const {
  std::int64_t sum = 0;
  for (const auto& part : parts) sum += part.out;
  return sum;
}

PackedMap::PackedMap(const MapView& map, bool forward, Scratch& scratch) : in_(map.in), out_(map.out()) {
  const auto K = forward ? in_ : out_, N = forward ? out_ : in_;
  float* panels = scratch.take(size_of_panels(K, N));
  const RowView weight{stacked(map, scratch), in_};
  if (forward)
    kernels().right_of_transposed(weight, K, N, panels);
  else
    kernels().right_of_rows(weight, K, N, panels);
  panels_ = panels;
  if (forward) bias_ = stacked_bias(map, scratch);
}

void PackedMap::forward(RowView x, MutableRowView y, std::int64_t rows, Finish finish) const {
  finish.bias = bias_;
  kernels().product(left_of(x.first, x.stride), right_of_panels(panels_, in_), finish, y, rows, out_, in_);
}

void PackedMap::backward(RowView dy, MutableRowView dx, std::int64_t rows, const Finish& finish) const {
  kernels().product(left_of(dy.first, dy.stride), right_of_panels(panels_, out_), finish, dx, rows, in_, out_);
}

void map_gradients(const MapView& map, RowView x, RowView dy, std::int64_t rows, bool first, Scratch& scratch) {
  if (!wants_gradients(map)) return;
  for (std::int64_t row = 0; row < rows; row += kRowsOfASum, first = false)
    gradients_of_few_rows(map, {x.first + row * x.stride, x.stride}, {dy.first + row * dy.stride, dy.stride},
                          std::min(kRowsOfASum, rows - row), first, scratch);
}

}  // namespace palimpsest
