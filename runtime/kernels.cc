#include "runtime/kernels.h"

namespace palimpsest {

extern const Kernels kKernelsForAny;
#if defined(__x86_64__)
extern const Kernels kKernelsForAvx2;

const Kernels& kernels() {
  static const Kernels& chosen =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? kKernelsForAvx2 : kKernelsForAny;
  return chosen;
}
#else
const Kernels& kernels() { return kKernelsForAny; }
#endif

}  // namespace palimpsest
