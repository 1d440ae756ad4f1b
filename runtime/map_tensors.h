#pragma once

// Tensors of linear maps and norms as the plain arrays of one run, and their gradients. A walk over the tensors of a
// module always meets them in the same order.

#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/block_walk.h"
#include "runtime/linear_map.h"
#include "runtime/run_axis.h"

namespace palimpsest::fused {

/// Whether the kernels know what changes a map: low ranks, but not gains.
bool is_low_rank(const LinearMap& map);

/// The tensors of a module that may want gradients, in order.
void collect(const LinearMap& map, std::vector<Parameter>& parameters);
void collect(const Norm& norm, std::vector<Parameter>& parameters);

std::vector<at::Tensor> values_of(const std::vector<Parameter>& parameters);
bool any_own(const std::vector<Parameter>& parameters);  // whether weights differ between runs
bool any_requires_grad(const std::vector<Parameter>& parameters);
bool all_plain(const std::vector<Parameter>& parameters);  // float32 on a CPU, row after row: what the kernels can read

/// A gradient for each tensor that requires one; undefined for the others. Where several runs add to one, all are zero
/// and `zeroed` says so; else they are yet to be set.
struct Gradients {
  std::vector<at::Tensor> tensors;
  bool zeroed = false;
};
Gradients gradients_for(const std::vector<Parameter>& parameters, std::int64_t runs);

/// Reads off the arrays of one run, map after map in the order of collect(). Without gradients, all places for them are
/// null.
class RunReader {
 public:
  RunReader(std::int64_t run, Gradients* gradients, Scratch& scratch)
      : run_(run), gradients_(gradients), scratch_(scratch) {}
  MapView map(const std::vector<LinearMap>& maps);
  NormView norm(const Norm& norm);

 private:
  const float* value(const Parameter& parameter) const;
  float* gradient(bool own);
  MapPart part(const LinearMap& map);

  std::int64_t run_;
  Gradients* gradients_;
  Scratch& scratch_;
  std::size_t next_ = 0;
};

}  // namespace palimpsest::fused
