#include "runtime/step_graph.h"

#include <dlfcn.h>

#include <string>

#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/words.h"

namespace palimpsest {
namespace {

constexpr int kDoneFirst = 2;  // libraries choose their kernels and take their memory at the first calls

bool wanted = false;  // of this process

using MakeRecorder = StepRecorder*(int device);

MakeRecorder* loaded() {
  static MakeRecorder* const found = []() -> MakeRecorder* {
    void* library = dlopen("libpalimpsest_graph.so", RTLD_NOW | RTLD_LOCAL);
    if (library) return reinterpret_cast<MakeRecorder*>(dlsym(library, "palimpsest_step_recorder"));
    const char* reason = dlerror();
    log().warn("steps are not recorded as CUDA graphs: {}", reason ? reason : "libpalimpsest_graph.so cannot be loaded");
    return nullptr;
  }();
  return found;
}

}  // namespace

void StepGraph::run(const std::function<void()>& step) {
  if (!recorder_) return step();
  if (recorded_) return recorder_->replay();
  if (done_ < kDoneFirst) {
    recorder_->aside(step);
    ++done_;
    return;
  }
  if (record(step)) recorder_->replay();
  else step();
}

bool StepGraph::record(const std::function<void()>& step) {
  try {
    recorder_->record(step);
    return recorded_ = true;
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& error) {
    static std::string said;   // each pack tries anew
    if (const std::string why = first_line(error.what()); why != said) log().warn("steps cannot be recorded as a CUDA graph, and are computed one operation after the other: {}", said = why);
    recorder_.reset();
    return false;
  }
}

void StepGraph::forget() {
  if (recorder_) recorder_->forget();
  recorded_ = false;
  done_ = 0;
}

void record_steps_on_gpus(bool on) { wanted = on; }

bool records_steps(c10::Device device) { return wanted && device.is_cuda() && loaded(); }

std::unique_ptr<StepRecorder> step_recorder(c10::Device device) {
  if (!records_steps(device)) return nullptr;
  return std::unique_ptr<StepRecorder>(loaded()(device.index()));
}

}  // namespace palimpsest
