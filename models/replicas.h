#pragma once

#include <memory>
#include <vector>

#include "models/gathering.h"
#include "models/objective.h"
#include "runtime/crew.h"

namespace palimpsest {

/// One objective for each thread of a rank: all over the same weights in memory, each gathering gradients of its own. A rank's part of a batch is
/// split over them, as a batch is over ranks; so two threads of one rank and two ranks of one thread compute the same numbers.
class Replicas {
 public:
  Replicas(const ObjectiveInfo&, const Settings&, const RandomStream& initial, Communicator& world, int threads);

  Objective& first() { return *objectives_.front(); }
  Crew& crew() { return crew_; }
  std::vector<std::vector<at::Tensor>> parameters();      // [thread][parameter], for GradientSum

  /// This rank's share of the loss; its gradients then lie with the parameters.
  double backward(const Batch&);

 private:
  std::vector<std::unique_ptr<Objective>> objectives_;
  Crew crew_;
  Gathering gathering_;
};

/// The weights of a model as leaves that gradients gather at, in one order: the encoder's by name, then the decoder's, then the head's.
std::vector<at::Tensor> leaves(SlowWeights&);

}  // namespace palimpsest
