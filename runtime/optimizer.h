#pragma once

namespace palimpsest {

/// Moves parameters along their gradients.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  virtual void step() = 0;  // reads .grad() of each parameter; one without gradient is left alone
  virtual void zero_grad() = 0;
};

}  // namespace palimpsest
