#pragma once

#include <functional>
#include <memory>

#include <c10/core/Device.h>

namespace palimpsest {

/// What a device can do with a step of training: do it, remember what it is given to do, do that again. GPUs have graphs
/// for it (cuda_step_recorder.cc).
class StepRecorder {
 public:
  virtual ~StepRecorder() = default;
  virtual void aside(const std::function<void()>& step) = 0;   // does it where it will be recorded: all it needs is made then
  virtual void record(const std::function<void()>& step) = 0;  // remembers it without doing it; throws where it cannot be
  virtual void replay() = 0;                                   // does what was recorded
  virtual void forget() = 0;
};

using MakeStepRecorder = std::function<std::unique_ptr<StepRecorder>()>;

/// Steps that are the same work on the same tensors, whose values alone change between them: twice done, then recorded,
/// then done again from what was recorded, which asks next to nothing of the host. What a step cannot be recorded for is
/// said in one line of the log, and it is done as any other from there on.
class StepGraph {
 public:
  StepGraph() = default;  // does each step itself
  explicit StepGraph(std::unique_ptr<StepRecorder> recorder) : recorder_(std::move(recorder)) {}

  bool records() const { return recorder_ != nullptr; }
  /// `step` may be called again when it has returned: it owns what it needs, but for the tensors.
  void run(const std::function<void()>& step);
  /// The tensors are others from here on.
  void forget();

 private:
  bool record(const std::function<void()>& step);

  std::unique_ptr<StepRecorder> recorder_;
  int done_ = 0;  // steps, as long as none is recorded
  bool recorded_ = false;
};

/// Whether this process is to record steps on GPUs; not, before it is said.
void record_steps_on_gpus(bool);
/// Whether they are: not where that is not wanted, or the device is no GPU, or libpalimpsest_graph.so is not there (a line of the log).
bool records_steps(c10::Device);
/// Nothing where they are not.
std::unique_ptr<StepRecorder> step_recorder(c10::Device);

}  // namespace palimpsest
