#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "launch/process_identity.h"

namespace palimpsest {

/// Ends this process when those it works for are gone, whatever its other threads wait for: ranks were seen to outlive a killed mpirun by
/// 30 s and more. A thread looks five times a second.
///
/// When one of those it watches is gone, it requests a stop; after `grace` the process ends with code 3 and its last words on stderr, as it
/// does at the deadline set by `end_within`.
class Watchdog {
 public:
  explicit Watchdog(std::chrono::milliseconds grace);
  ~Watchdog();
  void watch_parent();                              // the MPI launcher that started this process
  void watch(const ProcessIdentity&);               // another, of this host
  void end_within(std::chrono::milliseconds);       // the earliest counts
  void call_off();                                  // that end, and its last words
  void set_last_words(std::string);

 private:
  using Clock = std::chrono::steady_clock;
  void look();
  void look_once();                                 // with the mutex held
  bool somebody_gone() const;
  void set_deadline(std::chrono::milliseconds);

  const std::chrono::milliseconds grace_;
  std::mutex mutex_;
  std::condition_variable left_;
  std::optional<int> parent_;                       // protected by mutex_, as is all below
  std::optional<ProcessIdentity> watched_;
  std::optional<Clock::time_point> deadline_;
  std::string last_words_;
  bool leaving_ = false;
  std::thread thread_;
};

}  // namespace palimpsest
