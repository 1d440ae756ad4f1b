#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "runtime/communicator.h"
#include "runtime/timeline.h"

namespace palimpsest {

/// A collective that is under way. Copies wait for the same one.
class Pending {
 public:
  Pending() = default;  // nothing to wait for
  explicit Pending(std::shared_future<Fence> done) : done_(std::move(done)) {}
  /// Throws what the collective threw. On a device it is this thread's next operations that wait, not the thread.
  void wait() const {
    const auto done = done_;
    if (!done.valid()) return;
    if (const Fence& fence = done.get()) fence();
  }
  bool ready() const { return !done_.valid() || done_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }

 private:
  std::shared_future<Fence> done_;
};

/// One thread that does all collectives of a rank, in the order in which they were posted (which is the same on every
/// rank), while others compute: an MPI library moves bytes only inside its calls. What is posted must keep its tensors
/// alive by itself. Between collectives it shows the other ranks that this one lives (Communicator::pulse).
class CommunicationThread {
 public:
  /// A world of one needs no thread: what is posted is done at once.
  CommunicationThread(Communicator& world, Timeline* timeline);
  ~CommunicationThread();  // does first what was posted
  CommunicationThread(const CommunicationThread&) = delete;
  CommunicationThread& operator=(const CommunicationThread&) = delete;

  Pending post(std::string name, std::function<void()> act);
  Timeline* timeline() const { return timeline_; }  // nullptr: none is kept

 private:
  struct Task {
    std::string name;
    std::packaged_task<Fence()> act;
  };
  void work();
  void perform(Task&);

  Communicator& world_;
  Timeline* const timeline_;
  std::mutex mutex_;
  std::condition_variable posted_;
  // Protected by mutex_.
  std::deque<Task> tasks_;
  bool leaving_ = false;
  std::thread thread_;
};

/// `inner` through the thread: each call waits until the collective is done. So nothing else ever speaks to the other
/// ranks.
std::unique_ptr<Communicator> queued(CommunicationThread&, Communicator& inner);

}  // namespace palimpsest
