#include "runtime/error.h"
#include "runtime/over_nccl.h"

namespace palimpsest {

std::string why_no_nccl() {
  return "this program was built without NCCL: nccl.h or cuda_runtime.h was not found. Install nvidia-nccl-cu13 and "
         "the CUDA toolkit, and build again.";
}

std::unique_ptr<Communicator> over_nccl(std::unique_ptr<Communicator>, const NcclOptions&) { throw InputError(why_no_nccl()); }

}  // namespace palimpsest
