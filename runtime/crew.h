#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace palimpsest {

/// Threads that do the same to different parts of one thing. They sleep in between, so that a machine shared with others stays usable
/// (LibTorch's own threads spin while they wait for each other).
class Crew {
 public:
  explicit Crew(int size);   // the caller is one of them: size - 1 threads are started
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  int size() const { return size_; }
  /// act(0) on the calling thread, act(1) ... act(size - 1) on the others, always the same ones. Returns when all are through; throws the
  /// exception of the lowest number that threw. One call at a time.
  void each(const std::function<void(int)>& act);

 private:
  void work(int number);
  void attempt(int number);

  const int size_;
  std::mutex mutex_;
  std::condition_variable called_, done_;
  // Protected by mutex_.
  std::int64_t call_ = 0;
  int busy_ = 0;
  bool leaving_ = false;
  // Set before a call, read during it.
  const std::function<void(int)>* act_ = nullptr;
  std::vector<std::exception_ptr> thrown_;
  std::vector<std::thread> threads_;
};

}  // namespace palimpsest
