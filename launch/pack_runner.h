#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "launch/kept_snapshots.h"
#include "launch/wire.h"
#include "sweeps/study.h"

namespace palimpsest {

/// The thread of a rank that computes: takes one pack at a time and tells what comes of it as the messages of a worker (RunReports of each run,
/// then Left; AskStop where the sweep cannot go on), through `tell`, which is called from that thread. Where its GPU fails, the process ends
/// with code 3, as if it had been killed: its pack goes to others, in halves.
class PackRunner {
 public:
  /// Without a folder of results that this rank can see, no snapshots are kept.
  PackRunner(const Study&, const Welcome&, std::function<void(FromWorker)> tell);
  ~PackRunner();                      // halts what runs and waits for it
  void start(PackOrder);              // one at a time: after Left
  void halt();                        // leave the pack between two steps
  Beat beat() const { return {PackId{pack_}, share_}; }   // pack 0: none

 private:
  void work();
  void run(PackOrder&&);
  Leaving run_in_parts(PackOrder&&);
  Leaving run_guarded(const PackOrder&, double before, double share);   // a part of a pack: how much of it lies before, and how much this is

  const Study& study_;
  const bool keep_pictures_;
  std::optional<KeptSnapshots> snapshots_;
  const std::function<void(FromWorker)> tell_;
  std::atomic<std::int64_t> pack_{0};
  std::atomic<double> share_{0};
  std::atomic<bool> halted_{false}, leaving_{false};
  std::mutex mutex_;
  std::condition_variable ordered_;
  std::optional<PackOrder> order_;    // protected by mutex_
  std::thread thread_;
};

/// What an exception out of a pack says: its runs are at fault; there is too little memory for so many; or the GPU, with which this process can
/// do nothing more. Told by its words: LibTorch has no types that hold on every device.
enum class Cause { kRuns, kMemory, kDevice };
Cause cause_of(const std::exception&);

/// Why a result cannot be written down: a metric twice, or not as many numbers as its axes have places; empty where it can.
std::string fault_of(const RunResult&);

}  // namespace palimpsest
