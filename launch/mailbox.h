#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace palimpsest {

/// A queue between threads: any may put, one takes.
template <class Letter>
class Mailbox {
 public:
  void put(Letter letter) {
    bool first = false;   // whoever waits is woken once
    {
      const std::lock_guard lock(mutex_);
      first = letters_.empty();
      letters_.push_back(std::move(letter));
    }
    if (first) arrived_.notify_one();
  }

  /// All that is there, in order; waits up to `patience` for the first.
  std::vector<Letter> take(std::chrono::microseconds patience) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, patience, [this] { return !letters_.empty(); });
    return std::exchange(letters_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Letter> letters_;  // protected by mutex_
};

}  // namespace palimpsest
