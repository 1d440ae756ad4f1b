#include "launch/watchdog.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "launch/stop_signal.h"

namespace palimpsest {

Watchdog::Watchdog(std::chrono::milliseconds grace) : grace_(grace), thread_([this] { look(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  left_.notify_one();
  thread_.join();
}

void Watchdog::watch_parent() {
  const std::lock_guard lock(mutex_);
  parent_ = getppid();
}

void Watchdog::watch(const ProcessIdentity& process) {
  const std::lock_guard lock(mutex_);
  watched_ = process;
}

void Watchdog::end_within(std::chrono::milliseconds time) {
  const std::lock_guard lock(mutex_);
  set_deadline(time);
}

void Watchdog::call_off() {
  const std::lock_guard lock(mutex_);
  deadline_.reset();
  last_words_.clear();
}

void Watchdog::set_last_words(std::string words) {
  const std::lock_guard lock(mutex_);
  last_words_ = std::move(words);
}

void Watchdog::look() {
  std::unique_lock lock(mutex_);
  while (!left_.wait_for(lock, std::chrono::milliseconds(200), [this] { return leaving_; })) look_once();
}

void Watchdog::look_once() {
  if (somebody_gone()) {
    request_stop_without_launcher();
    set_deadline(grace_);
  }
  if (!deadline_ || Clock::now() < *deadline_) return;
  if (!last_words_.empty()) std::fprintf(stderr, "palimpsest: %s\n", last_words_.c_str());
  _exit(3);
}

bool Watchdog::somebody_gone() const {
  return (parent_ && getppid() != *parent_) || (watched_ && !alive(*watched_));
}

void Watchdog::set_deadline(std::chrono::milliseconds time) {
  deadline_ = std::min(deadline_.value_or(Clock::time_point::max()), Clock::now() + time);
}

}  // namespace palimpsest
