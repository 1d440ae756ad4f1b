#include "runtime/nccl_library.h"

#include <dlfcn.h>

#include "runtime/error.h"

namespace palimpsest {
namespace {

class Library {
 public:
  Library(const std::string& file, const char* package)
      : file_(file), handle_(dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL)) {
    if (!handle_)
      throw InputError(file + " is not found: " + dlerror() + ". Install " + package +
                       ", or put its folder into LD_LIBRARY_PATH.");
  }
  template <class Function>
  void find(const char* name, Function& function) const {
    function = reinterpret_cast<Function>(dlsym(handle_, name));
    if (!function)
      throw InputError(file_ + " has no " + name +
                       ": it is older than the header this program was built with. Install that version.");
  }

 private:
  const std::string file_;
  void* const handle_;  // for the length of the program
};

NcclLibrary load() {
  const Library cuda("libcudart.so." + std::to_string(CUDART_VERSION / 1000), "the CUDA runtime");
  const Library nccl("libnccl.so.2", "nvidia-nccl-cu13");
  NcclLibrary f{};
  f.moves = [](const at::Tensor& tensor) { return tensor.is_cuda(); };
  nccl.find("ncclGetUniqueId", f.get_unique_id);
  nccl.find("ncclCommInitRank", f.comm_init_rank);
  nccl.find("ncclCommDestroy", f.comm_destroy);
  nccl.find("ncclCommAbort", f.comm_abort);
  nccl.find("ncclCommGetAsyncError", f.comm_get_async_error);
  nccl.find("ncclGetErrorString", f.error_string);
  nccl.find("ncclAllReduce", f.all_reduce);
  nccl.find("ncclReduceScatter", f.reduce_scatter);
  nccl.find("ncclAllGather", f.all_gather);
  nccl.find("ncclBroadcast", f.broadcast);
  cuda.find("cudaSetDevice", f.set_device);
  cuda.find("cudaGetErrorString", f.cuda_error_string);
  cuda.find("cudaStreamCreateWithFlags", f.stream_create);
  cuda.find("cudaStreamDestroy", f.stream_destroy);
  cuda.find("cudaStreamWaitEvent", f.stream_wait_event);
  cuda.find("cudaEventCreateWithFlags", f.event_create);
  cuda.find("cudaEventRecord", f.event_record);
  cuda.find("cudaEventQuery", f.event_query);
  cuda.find("cudaEventDestroy", f.event_destroy);
  return f;
}

}  // namespace

const NcclLibrary& NcclLibrary::get() {
  static const NcclLibrary library = load();
  return library;
}

}  // namespace palimpsest
