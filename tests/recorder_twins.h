#pragma once

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "runtime/step_graph.h"

// What records steps where there is no GPU.

namespace palimpsest {

/// A twin of a GPU's: what is done again is the step that was recorded, whatever is asked for later.
struct Twin : StepRecorder {
  explicit Twin(int& replays) : replays(replays) {}
  void aside(const std::function<void()>& step) override { step(); }
  void record(const std::function<void()>& step) override { kept = step; }
  void replay() override { ++replays, kept(); }
  void forget() override { kept = {}; }
  int& replays;
  std::function<void()> kept;
};

// Operations of this thread that have seen a tensor of the host, or ask the host to wait for a number.
inline std::set<std::string> host_work;
inline std::unique_ptr<at::ObserverContext> note_host_work(const at::RecordFunction& function) {
  const std::string name = function.name();
  if (name == "aten::item" || name == "aten::_local_scalar_dense" || name == "aten::nonzero" || name == "aten::is_nonzero") host_work.insert(name);
  const auto look = [&](const at::Tensor& x) {
    if (x.defined() && !x.is_meta() && !x.unsafeGetTensorImpl()->is_wrapped_number()) host_work.insert(name);
  };
  for (const auto& input : function.inputs()) {
    if (input.isTensor()) look(input.toTensor());
    if (input.isTensorList())
      for (const at::Tensor& x : input.toTensorVector()) look(x);
  }
  return nullptr;
}

/// Looks on while a step is recorded.
struct Watching : Twin {
  using Twin::Twin;
  void record(const std::function<void()>& step) override {
    const auto handle = at::addThreadLocalCallback(at::RecordFunctionCallback(note_host_work).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
    step();
    at::removeCallback(handle);
    Twin::record(step);
  }
};

}  // namespace palimpsest
