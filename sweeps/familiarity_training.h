#pragma once

#include <memory>
#include <vector>

#include "models/learning_rule.h"
#include "runtime/step_graph.h"
#include "sweeps/familiarity.h"
#include "sweeps/familiarity_loss.h"

namespace palimpsest {

/// A run's stream for a purpose, and for one epoch or step of it.
RandomStream stream_of(const RunSpec&, std::string_view purpose);
RandomStream stream_of(const RunSpec&, std::string_view purpose, std::int64_t time);

/// What a run draws of a kind where drawing adapters comes before it and nothing keeps the two apart, as in the published code.
RandomStream after_adapters(const RandomStream&, const FamiliarityConfig&);

/// The networks of a pack and how they learn. What is random is each run's own, from its seed.
class FamiliarityTraining {
 public:
  /// `configs`: of each run; what a signature holds is common to all. Both outlive this.
  FamiliarityTraining(const std::vector<RunSpec>& runs, const std::vector<FamiliarityConfig>& configs, const SlowWeights& slow, at::Device device);

  FastNetwork& network() { return network_; }
  const FastNetwork& network() const { return network_; }
  LearningRule& fast_rule() { return *fast_; }
  LearningRule& rest_rule() { return *rest_; }

  /// One step of every run, counted from 1; returns the losses before it, [R], which stay until the next.
  ///   shown, target  [R, I, 3, S, S] in [0, 1]
  at::Tensor step(const at::Tensor& shown, const at::Tensor& target, std::int64_t step);
  /// Steps are recorded once and done again from there on, by what GPUs have for it; not where they take something new from the host within: local
  /// rules, noise on gradients.
  void record_steps(std::unique_ptr<StepRecorder>);
  bool records_steps() const { return graph_.records(); }
  /// After the steps of an epoch: what is forgotten, what is written into the slow weights.
  void end_epoch(std::int64_t epoch);
  /// Runs left the pack: these stay, in this order. `runs` and `configs` are of them alone by now.
  void keep_runs(const std::vector<std::int64_t>& runs);
  /// Whether all weights of a run are numbers: its last step has no loss that would tell.
  bool is_finite(std::size_t run) const;

 private:
  // All that a step takes from the host, on the device.
  struct Inputs {
    at::Tensor shown, target;
    LossInputs loss;
    std::vector<at::Tensor*> tensors();
  };

  std::int64_t size() const { return static_cast<std::int64_t>(runs_.size()); }
  bool can_be_recorded() const;
  void take(Inputs inputs);
  void compute(std::int64_t step);
  FastNetwork built(const SlowWeights&) const;
  RuleOptions options(double FamiliarityConfig::*rate) const;
  std::vector<RandomStream> streams(std::string_view purpose, std::int64_t step) const;
  void add_gradient_noise(std::int64_t step);

  const std::vector<RunSpec>& runs_;
  const std::vector<FamiliarityConfig>& configs_;
  const at::Device device_;
  FastNetwork network_;
  FamiliarityLoss loss_;
  std::unique_ptr<LearningRule> fast_, rest_;
  StepGraph graph_;
  Inputs inputs_;     // where steps are recorded they stay where they are, and their values change
  at::Tensor losses_;
};

}  // namespace palimpsest
