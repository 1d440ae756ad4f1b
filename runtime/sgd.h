#pragma once

#include <vector>

#include "runtime/adamw.h"

namespace palimpsest {

/// Plain gradient descent, without momentum, with learning rate and (decoupled) weight decay per run.
class Sgd : public Optimizer {
 public:
  Sgd(std::vector<AdamW::Slot> slots, AdamW::Options options) : slots_(std::move(slots)), options_(std::move(options)) {}
  void step() override;
  void zero_grad() override;
  AdamW::Options& options() { return options_; }
  std::vector<AdamW::Slot>& slots() { return slots_; }

 private:
  std::vector<AdamW::Slot> slots_;
  AdamW::Options options_;
};

}  // namespace palimpsest
