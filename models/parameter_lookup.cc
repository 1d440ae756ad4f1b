#include "models/parameter_lookup.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/error.h"

namespace palimpsest {

const Parameter& ParameterLookup::operator()(const std::string& name, const std::vector<std::int64_t>& shape) const {
  const auto found = parameters_.find(name);
  if (found == parameters_.end()) throw InputError(fmt::format("the {} needs the weight {}, which is not there", owner_, name));
  auto sizes = found->second.value.sizes().vec();
  if (found->second.own) sizes.erase(sizes.begin());
  if (sizes != shape)
    throw InputError(fmt::format("the {}'s weight {} is [{}], but [{}] is needed", owner_, name, fmt::join(sizes, ", "), fmt::join(shape, ", ")));
  return found->second;
}

}  // namespace palimpsest
