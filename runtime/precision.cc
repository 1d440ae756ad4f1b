#include "runtime/precision.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "runtime/device.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

thread_local bool in_bfloat16 = false;

}  // namespace

const std::vector<std::string>& precision_names() {
  static const std::vector<std::string> names = {"float32", "tf32", "bfloat16"};  // in the order of Precision
  return names;
}

Precision precision_named(const std::string& name) {
  const auto& names = precision_names();
  return static_cast<Precision>(std::ranges::find(names, name) - names.begin());
}

void refuse_tf32_on_cpu(const std::string& key, Precision precision, at::Device device) {
  if (precision == Precision::kTf32 && device.is_cpu())
    throw InputError(fmt::format("{} = \"tf32\" is a number format of GPUs, and this training computes on the CPU. Write \"float32\" or \"bfloat16\", or take --device cuda.", key));
}

PrecisionScope::PrecisionScope(Precision precision)
    : before_(std::exchange(in_bfloat16, precision == Precision::kBFloat16)), tf32_(precision == Precision::kTf32) {
  if (tf32_) use_tf32(true);
}

PrecisionScope::~PrecisionScope() {
  in_bfloat16 = before_;
  if (tf32_) use_tf32(false);
}

bool factors_in_bfloat16() { return in_bfloat16; }

}  // namespace palimpsest
