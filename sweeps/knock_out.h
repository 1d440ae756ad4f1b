#pragma once

#include <map>
#include <vector>

#include "sweeps/familiarity.h"

namespace palimpsest {

/// While it lives, the networks of a pack are as the keys "test.*" of each run want them: updates scaled or off, heads silent.
class KnockOut {
 public:
  KnockOut(FastNetwork& network, const std::vector<FamiliarityConfig>& runs);
  ~KnockOut();
  KnockOut(const KnockOut&) = delete;
  KnockOut& operator=(const KnockOut&) = delete;

 private:
  void scale_updates(const std::vector<FamiliarityConfig>& runs);
  void silence_heads(const std::vector<FamiliarityConfig>& runs);

  FastNetwork& network_;
  std::vector<at::Tensor> kept_;                 // scales, or gains, of each map
  std::map<std::int64_t, at::Tensor> silent_;    // by block: [R, H]
};

/// While it lives, two networks of one pack have each other's fast weights.
class SwappedFastWeights {
 public:
  SwappedFastWeights(FastNetwork& network, FastNetwork& other) : network_(network), other_(other) { swap(); }
  ~SwappedFastWeights() { swap(); }
  SwappedFastWeights(const SwappedFastWeights&) = delete;
  SwappedFastWeights& operator=(const SwappedFastWeights&) = delete;

 private:
  void swap();

  FastNetwork& network_;
  FastNetwork& other_;
};

}  // namespace palimpsest
