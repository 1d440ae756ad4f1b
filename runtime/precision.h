#pragma once

#include <string>
#include <vector>

#include <c10/core/Device.h>

namespace palimpsest {

/// Of a network's arithmetic. A factor of a product has 23 bits behind the point in float32, 10 in tf32, which GPUs alone
/// have, and 7 in bfloat16.
enum class Precision { kFloat32, kTf32, kBFloat16 };

/// As definitions write them: "float32", "tf32", "bfloat16".
const std::vector<std::string>& precision_names();
Precision precision_named(const std::string&);  // one of these

/// Throws InputError where that is tf32 and the device is no GPU. `key`: whose value it is.
void refuse_tf32_on_cpu(const std::string& key, Precision, at::Device);

/// While it lives, the products of run_axis.h take their factors in this precision: the maps', with and without adapters,
/// and attention's. In bfloat16 their results and the gradients of these are rounded to it as well, and so are
/// attention's weights; what is added to them, norms, activations and what an optimizer keeps are float32, and so are
/// all tensors that a caller sees.
/// bfloat16 is this thread's matter and goes into what is differentiated later; tf32 is the whole process's while it
/// lives.
class PrecisionScope {
 public:
  explicit PrecisionScope(Precision);
  ~PrecisionScope();
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;

 private:
  const bool before_;
  const bool tf32_;
};

/// Whether this thread is in such a scope of bfloat16.
bool factors_in_bfloat16();

}  // namespace palimpsest
