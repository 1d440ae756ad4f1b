#pragma once

#include <cstdint>
#include <deque>
#include <vector>

namespace palimpsest {

/// Room for what a function makes on its way, kept from call to call. Each take() is another buffer, until restart().
class Scratch {
 public:
  void restart() { taken_ = 0; }
  float* take(std::int64_t floats) {
    if (taken_ == buffers_.size()) buffers_.emplace_back();
    auto& buffer = buffers_[taken_++];
    if (buffer.size() < static_cast<std::size_t>(floats)) buffer.resize(static_cast<std::size_t>(floats));
    return buffer.data();
  }

 private:
  std::deque<std::vector<float>> buffers_;
  std::size_t taken_ = 0;
};

}  // namespace palimpsest
