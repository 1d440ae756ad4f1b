#pragma once

#include <string>
#include <vector>

#include "runtime/run_axis.h"

namespace palimpsest {

/// Finds parameters by name and checks their shapes (behind the run axis, where they are own). Throws InputError that names what is
/// missing or does not fit.
class ParameterLookup {
 public:
  ParameterLookup(const Parameters& parameters, std::string owner) : parameters_(parameters), owner_(std::move(owner)) {}
  const Parameter& operator()(const std::string& name, const std::vector<std::int64_t>& shape) const;

 private:
  const Parameters& parameters_;
  std::string owner_;
};

}  // namespace palimpsest
