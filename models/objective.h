#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/drawn.h"
#include "models/slow_weights.h"
#include "runtime/settings.h"

namespace palimpsest {

/// This rank's part of a batch, B images, and what is drawn for them.
struct Batch {
  at::Tensor images;                     // [B, 3, S, S] in [0, 1]
  at::Tensor second = {};                // [B, 3, S, S] another crop of each image; undefined where one is all that is needed
  std::vector<RandomStream> streams;     // [B]: an image's mask and dropout come from here, so neither depends on the ranks
  std::int64_t global_size = 0;          // images of all ranks together
  std::int64_t first = 0;                // place of these among them
  bool training = false;                 // with dropout
  /// Of these images' rows [B, D] those of all [global_size, D], with their gradients (models/gathering.h); empty: these are all there are.
  std::function<at::Tensor(const at::Tensor&)> gather = {};
  std::shared_ptr<Drawn> drawn = {};     // by Objective::draw for these images; empty: the loss draws as it goes
};

/// What pretraining minimises, and the slow weights it is minimised over. Every number is this rank's share: the shares of all ranks add
/// up to that of the global batch.
class Objective {
 public:
  virtual ~Objective() = default;
  SlowWeights& weights() { return weights_; }
  const SlowWeights& weights() const { return weights_; }

  virtual at::Tensor loss(const Batch&) const = 0;   // a scalar with its gradient
  /// What the loss of this batch draws from its streams: with it there, the loss is the same work for every batch of as many images.
  virtual Drawn draw(const Batch&) const = 0;
  /// The loss of predictions that need no network: what training must at least beat.
  virtual std::map<std::string, double> baselines(const Batch&) const = 0;
  /// What a person looks at, each [B, 3, S, S]: input, what the network sees of it (where that is less), reconstruction.
  virtual std::vector<at::Tensor> pictures(const Batch&) const = 0;
  /// Whether an image's loss depends on the others of its batch. Batches then have a second crop of each image; others have none.
  virtual bool compares_images() const { return false; }
  /// Floating-point operations of training on one image.
  virtual double flops_per_image() const = 0;

 protected:
  explicit Objective(SlowWeights weights) : weights_(std::move(weights)) {}
  SlowWeights weights_;
};

/// What a transformer's training costs: 6 x parameters x tokens + 12 x depth x tokens^2 x width.
double training_flops(const Parameters&, double tokens, std::int64_t depth, std::int64_t width);

/// Of each image, for a decoder that drops while it trains; else none.
std::vector<RandomStream> dropout_streams(const Batch&);

/// One line of the list. A new objective is a file that defines one of these, and its name in objective.cc.
struct ObjectiveInfo {
  const char* name;
  const char* meaning;
  KeyTable (*keys)();                    // its own, "objective.*"
  std::unique_ptr<Objective> (*build)(const Settings&, const RandomStream& initial);   // with fresh weights; throws InputError
};

const std::vector<const ObjectiveInfo*>& objectives();
const ObjectiveInfo& find_objective(const std::string& name);   // throws InputError

constexpr const char* kMeanColour = "image mean colour";                     // names of baselines
constexpr const char* kNeighbours = "mean of the nearest visible patches";

}  // namespace palimpsest
