#pragma once

// A linear map of one run on plain arrays: y = (W + s B A) x + b, forward and backward. Several maps of one input
// (query, key and value) are stacked and computed as one product.
//
// M rows, C width in, D width out, r adapter rank.

#include <cstdint>
#include <vector>

#include "runtime/kernels.h"
#include "runtime/scratch.h"

namespace palimpsest {

/// One map, and where its gradients go (null: not wanted).
struct MapPart {
  std::int64_t out = 0;                            // D
  const float *weight = nullptr, *bias = nullptr;  // [D, C], [D] or null
  std::int64_t rank = 0;                           // r, 0 without an adapter
  const float *a = nullptr, *b = nullptr;          // [r, C], [D, r]
  float scale = 0;
  float *d_weight = nullptr, *d_bias = nullptr, *d_a = nullptr, *d_b = nullptr;
};

struct MapView {
  std::int64_t in = 0;  // C
  std::vector<MapPart> parts;
  std::int64_t out() const;
};

/// The weights of a map as products read them fastest, adapters folded in.
class PackedMap {
 public:
  PackedMap(const MapView& map, bool forward, Scratch& scratch);

  /// y [M, D] = residual + factor * (x W^T + b), where `finish` names residual and factor.
  void forward(RowView x, MutableRowView y, std::int64_t rows, Finish finish = {}) const;
  /// dx [M, C] = residual + factor * (dy W)
  void backward(RowView dy, MutableRowView dx, std::int64_t rows, const Finish& finish = {}) const;

 private:
  std::int64_t in_, out_;
  const float *panels_, *bias_ = nullptr;
};

/// Rows of x that a sum over rows takes at once: what Kernels::product may add to.
constexpr std::int64_t kRowsOfASum = 320;

/// Gradients of the weights of a map from x [M, C] and dy [M, D]. `first`: they are set, otherwise added to.
void map_gradients(const MapView& map, RowView x, RowView dy, std::int64_t rows, bool first, Scratch& scratch);

}  // namespace palimpsest
