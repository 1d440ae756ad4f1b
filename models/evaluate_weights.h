#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/adapted_weights.h"
#include "models/labelled_images.h"
#include "models/readout_accuracy.h"

namespace palimpsest {

struct EvaluateOptions {
  std::vector<std::string> readouts = {"cls", "mean"};  // class token, mean of the patch tokens
  std::int64_t neighbours = 20;
  double penalty = 1e-3;   // of the linear probe's weights
  std::int64_t folds = 5;  // where no split came with the images: each image is held out once
  std::uint64_t seed = 0;  // of the folds
  // "evaluate", "probe"; images, probes
  std::function<void(const char* what, const char* unit, std::int64_t done, std::int64_t of)> progress;
};

/// How well a read-out of one layer tells the classes apart, over the held-out images.
struct ReadoutAccuracy {
  std::string layer;  // "pixels" (32 x 32), "embedding", "block.0", ..., "norm" (after the last LayerNorm)
  std::string readout;
  Share neighbours, probe;  // accuracies
  bool converged = true;    // every probe did
};

/// Mean squared error of the decoder's pixels in [0, 1], over held-out images.
struct ReconstructionError {
  std::string kind;            // "hidden patches" (75 % of them) or "whole image"
  Share decoder, mean_colour;  // and of each image's mean colour in its place
};

struct Evaluation {
  std::vector<ReadoutAccuracy> accuracies;
  std::optional<ReconstructionError> reconstruction;
  std::string no_reconstruction;  // why there is none
  std::int64_t classes = 0, images = 0, held_out = 0;
  Share chance;  // always answering with the class that is commonest in training
};

/// Throws InputError: a read-out that the encoder lacks, fewer images of a class than folds.
Evaluation evaluate_weights(const AdaptedWeights&, const LabelledImages&, const EvaluateOptions&);

/// Which images each fold holds out: by class, so that each fold has the same share of each; of (seed, class) alone.
std::vector<std::vector<bool>> draw_folds(const LabelledImages&, std::int64_t folds, std::uint64_t seed);

}  // namespace palimpsest
