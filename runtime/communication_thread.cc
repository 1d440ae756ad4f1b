#include "runtime/communication_thread.h"

#include <ATen/core/Tensor.h>
#include <sys/prctl.h>

#include <optional>
#include <utility>

namespace palimpsest {
namespace {

constexpr std::chrono::milliseconds kBetweenPulses{250};

class Queued : public Communicator {
 public:
  Queued(CommunicationThread& thread, Communicator& inner) : thread_(thread), inner_(inner) {}
  int rank() const override { return inner_.rank(); }
  int world_size() const override { return inner_.world_size(); }
  int node() const override { return inner_.node(); }
  void all_reduce(at::Tensor& in_place, Reduction reduction) override {
    thread_.post("all_reduce", [&] { inner_.all_reduce(in_place, reduction); }).wait();
  }
  void reduce_scatter(at::Tensor& part, const at::Tensor& whole, Reduction reduction) override {
    thread_.post("reduce_scatter", [&] { inner_.reduce_scatter(part, whole, reduction); }).wait();
  }
  void all_gather(at::Tensor& whole, const at::Tensor& part) override {
    thread_.post("all_gather", [&] { inner_.all_gather(whole, part); }).wait();
  }
  void broadcast(at::Tensor& in_place, int root) override {
    thread_.post("broadcast", [&] { inner_.broadcast(in_place, root); }).wait();
  }
  void barrier() override {
    thread_.post("barrier", [&] { inner_.barrier(); }).wait();
  }
  std::unique_ptr<Communicator> split(int group) override {
    std::unique_ptr<Communicator> part;
    thread_.post("split", [&] { part = inner_.split(group); }).wait();
    return part;
  }

 private:
  CommunicationThread& thread_;
  Communicator& inner_;
};

}  // namespace

CommunicationThread::CommunicationThread(Communicator& world, Timeline* timeline) : world_(world), timeline_(timeline) {
  if (world.world_size() > 1) thread_ = std::thread([this] { work(); });
}

CommunicationThread::~CommunicationThread() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  posted_.notify_one();
  thread_.join();
}

Pending CommunicationThread::post(std::string name, std::function<void()> act) {
  // Whoever holds the Pending holds the task; what was done must not keep its tensors alive that long.
  const auto held = std::make_shared<std::function<void()>>(std::move(act));
  Task task{std::move(name), std::packaged_task<Fence()>([this, held] {
              const auto once = std::exchange(*held, nullptr);
              once();
              return world_.fence();
            })};
  const Pending pending(task.act.get_future().share());
  if (!thread_.joinable()) {
    perform(task);
    return pending;
  }
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  posted_.notify_one();
  return pending;
}

void CommunicationThread::work() {
  prctl(PR_SET_TIMERSLACK, 1000UL);  // ns: while it waits for a peer it sleeps in steps of microseconds, and the
                                     // compute threads have the cores
  for (std::unique_lock lock(mutex_);;) {
    posted_.wait_for(lock, kBetweenPulses, [this] { return leaving_ || !tasks_.empty(); });
    if (leaving_ && tasks_.empty()) break;
    std::optional<Task> task;
    if (!tasks_.empty()) {
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    lock.unlock();
    world_.pulse();  // busy or idle
    if (task) perform(*task);
    lock.lock();
  }
  world_.last_pulse();
}

void CommunicationThread::perform(Task& task) {
  const TimelineSpan span(timeline_, Timeline::Track::kCommunication, task.name);
  task.act();     // what it throws is for those who wait
  task.act = {};  // and its tensors go
}

std::unique_ptr<Communicator> queued(CommunicationThread& thread, Communicator& inner) {
  return std::make_unique<Queued>(thread, inner);
}

}  // namespace palimpsest
