#pragma once

#include <string>
#include <vector>

#include "runtime/run_axis.h"

namespace palimpsest {

/// Makes the first values of a model's parameters. Each tensor has a random stream of its own, named after it, so that adding or
/// leaving out one changes no other.
class Initial {
 public:
  explicit Initial(const RandomStream& stream) : stream_(stream) {}

  void truncated_normal(const std::string& name, const std::vector<std::int64_t>& shape, double sd = 0.02);   // cut at +-2
  void uniform(const std::string& name, const std::vector<std::int64_t>& shape, double bound);                // in [-bound, bound)
  void constant(const std::string& name, const std::vector<std::int64_t>& shape, double value);
  void norm(const std::string& name, std::int64_t width);                                                    // weight 1, bias 0
  void linear(const std::string& name, std::int64_t out, std::int64_t in);   // torch's nn.Linear: both U(-1/sqrt(in), 1/sqrt(in))

  Parameters take() { return std::move(parameters_); }

 private:
  RandomStream stream_;
  Parameters parameters_;
};

}  // namespace palimpsest
