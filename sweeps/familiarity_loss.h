#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/fast_weights.h"
#include "models/patch_mask.h"

namespace palimpsest {

/// The keys "loss.*" of a run, and training.l1. Runs of a pack have the same terms above 0.
struct LossConfig {
  double pixels = 1, masked = 0, features = 0;  // weights of the terms
  double l1 = 0.1;                              // of absolute errors beside squared ones
  double mask = 0.75;                           // share of the patches that the masked term hides
  bool normalise_target = false;
  std::string feature_layers = "all";

  bool whole() const { return pixels > 0 || features > 0; }  // asks for the reconstruction of whole images
};

/// What is random in a step, a stream for each run.
struct LossStreams {
  std::vector<RandomStream> drop, masked_drop, mask;
};

/// What a step's loss takes from the host, on the device: all else of it is the same work at each step.
struct LossInputs {
  enum Weight { kPixels, kMasked, kFeatures, kL1 };
  at::Tensor weights;                             // [4, R], by Weight
  std::vector<BlockDropout> drop, masked_drop;    // of each layer of the decoder, in the passes of whole images and of masked ones
  PatchMask mask;                                 // of R I images

  /// Each tensor of them, defined or not, in one order.
  std::vector<at::Tensor*> tensors();
};

/// Of images [R, I, ...]: the masks are drawn here.
LossInputs loss_inputs(const FastNetwork&, const std::vector<LossConfig>& runs, std::int64_t images, const LossStreams&);

/// What a pack's networks minimise: a weighted sum of
///   pixels    mean (guess - target)^2 + l1 mean |guess - target| over all patches, the image being seen whole
///   masked    the same over the patches that the encoder did not see: a share of them, drawn for each image and step
///   features  how far the slow network's responses to the reconstruction are from those to the image: squared distance over squared length,
///             mean over blocks (feature reconstruction loss, Johnson et al., ECCV 2016)
/// Target: pixels in [0, 1], or each patch by its own mean and standard deviation (He et al. 2021).
class FamiliarityLoss {
 public:
  /// `layers`: blocks of the features, empty where that term is not asked for.
  FamiliarityLoss(const SlowWeights& slow, const std::vector<std::int64_t>& layers, bool double_projection, at::Device device);

  /// [R], with gradients. shown, target [R, I, 3, S, S] in [0, 1]. `common`: what the runs of a pack have alike.
  at::Tensor operator()(const FastNetwork&, const LossConfig& common, const at::Tensor& shown, const at::Tensor& target, const LossInputs&) const;

 private:
  std::vector<at::Tensor> responses(const at::Tensor& images) const;  // of the blocks asked for, each [R, I, T, C]
  at::Tensor features(const at::Tensor& guess, const at::Tensor& target) const;

  std::vector<std::int64_t> layers_;
  std::optional<VitEncoder> slow_;
};

}  // namespace palimpsest
