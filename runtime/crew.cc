#include "runtime/crew.h"

namespace palimpsest {

Crew::Crew(int size) : size_(size), thrown_(static_cast<std::size_t>(size)) {
  for (int number = 1; number < size; ++number) threads_.emplace_back([this, number] { work(number); });
}

Crew::~Crew() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  called_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Crew::each(const std::function<void(int)>& act) {
  thrown_.assign(thrown_.size(), nullptr);
  act_ = &act;
  {
    const std::lock_guard lock(mutex_);
    ++call_;
    busy_ = size_ - 1;
  }
  called_.notify_all();
  attempt(0);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return busy_ == 0; });
  for (const auto& thrown : thrown_)
    if (thrown) std::rethrow_exception(thrown);
}

void Crew::work(int number) {
  for (std::int64_t seen = 0;;) {
    {
      std::unique_lock lock(mutex_);
      called_.wait(lock, [&] { return leaving_ || call_ != seen; });
      if (leaving_) return;
      seen = call_;
    }
    attempt(number);
    const std::lock_guard lock(mutex_);
    if (--busy_ == 0) done_.notify_one();
  }
}

void Crew::attempt(int number) {
  try {
    (*act_)(number);
  } catch (...) {
    thrown_[static_cast<std::size_t>(number)] = std::current_exception();
  }
}

}  // namespace palimpsest
