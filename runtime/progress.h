#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace palimpsest {

/// Progress of long work: a bar with rate and time left on a terminal, one line a minute when piped (to stderr).
class Progress {
 public:
  Progress(std::string what, std::int64_t total, std::string unit);  // "pretraining", 4000, "steps"
  ~Progress();
  void update(std::int64_t done, const std::string& note = {});  // cheap: draws at most 10 times a second
  void finish(const std::string& note = {});

 private:
  void draw(const std::string& note, bool last);
  std::string what_, unit_;
  std::int64_t total_, done_ = 0, first_ = -1;
  bool terminal_, finished_ = false;
  std::chrono::steady_clock::time_point start_, drawn_;
};

/// Takes a bar off the terminal before something else is written there; the next update draws it again.
void clear_progress_bar();

std::string duration_text(double seconds);  // "41 s", "3 min 20 s", "2 h 05 min"

}  // namespace palimpsest
