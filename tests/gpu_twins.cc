// The functions of NVIDIA's driver, NCCL and NVML that are asked for an all-reduce, as a host without GPUs can have them. The environment says what
// they pretend: TWIN_GPUS, TWIN_NVLINKS, TWIN_NCCL (fails, hangs, ends).

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

std::string said(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

extern "C" {

int cuInit(unsigned) { return 0; }
int cuDeviceGetCount(int* count) { return *count = std::atoi(said("TWIN_GPUS").c_str()), 0; }
int cuDeviceGet(int* device, int number) { return *device = number, 0; }
int cuDeviceGetPCIBusId(char* text, int length, int device) { return std::snprintf(text, static_cast<std::size_t>(length), "0000:%02x:00.0", device), 0; }
int cuDevicePrimaryCtxRetain(void** context, int) { return *context = nullptr, 0; }
int cuCtxSetCurrent(void*) { return 0; }
int cuMemAlloc_v2(unsigned long long* memory, std::size_t) { return *memory = 4096, 0; }
int cuStreamCreate(void** stream, unsigned) { return *stream = nullptr, 0; }
int cuStreamSynchronize(void*) { return 0; }

int ncclCommInitAll(void**, int, const int*) {
  const std::string how = said("TWIN_NCCL");
  if (how == "hangs") pause();
  if (how == "ends") std::abort();
  return how == "fails" ? 2 : 0;
}
const char* ncclGetErrorString(int) { return "unhandled system error"; }
const char* ncclGetLastError(void*) { return "/dev/shm is full"; }
int ncclGroupStart() { return 0; }
int ncclGroupEnd() { return usleep(1000); }
int ncclAllReduce(const void* from, void* to, std::size_t count, int type, int operation, void*, void*) {
  return from == to && count == 64000000 && type == 7 && operation == 0 ? 0 : 4;
}

int nvmlInit_v2() { return 0; }
int nvmlDeviceGetHandleByPciBusId_v2(const char* place, void** gpu) { return *gpu = const_cast<char*>(place), 0; }
int nvmlDeviceGetNvLinkState(void*, unsigned link, int* up) { return *up = link < static_cast<unsigned>(std::atoi(said("TWIN_NVLINKS").c_str())), 0; }
int nvmlDeviceGetFieldValues(void*, int, char* field) {
  *reinterpret_cast<int*>(field + 28) = 0;
  *reinterpret_cast<unsigned*>(field + 32) = *reinterpret_cast<unsigned*>(field) == 90 ? 26562 : 0;
  return 0;
}
int nvmlDeviceGetCurrPcieLinkGeneration(void*, unsigned* generation) { return *generation = 5, 0; }
int nvmlDeviceGetCurrPcieLinkWidth(void*, unsigned* lanes) { return *lanes = 16, 0; }
}
