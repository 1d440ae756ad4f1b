#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace palimpsest {

/// What a rank did when, on two tracks: what it computes and what it communicates. Overlap is where both are busy.
class Timeline {
 public:
  enum class Track { kCompute, kCommunication };
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kMost = 200'000;  // spans that are kept, the first ones: a long run must not fill memory

  void record(Track, std::string name, Clock::time_point begin, Clock::time_point end);
  /// Events in the trace format of chrome://tracing and Perfetto (times in microseconds), separated by commas; the rank
  /// is their pid.
  std::string events(int rank) const;

 private:
  struct Span {
    Track track;
    std::string name;
    Clock::time_point begin, end;
  };
  mutable std::mutex mutex_;
  std::vector<Span> spans_;  // protected by mutex_
};

/// A span from here to the end of the scope; nothing where there is no timeline.
class TimelineSpan {
 public:
  TimelineSpan(Timeline* timeline, Timeline::Track track, std::string name)
      : timeline_(timeline),
        track_(track),
        name_(timeline ? std::move(name) : std::string()),
        begin_(Timeline::Clock::now()) {}
  ~TimelineSpan() {
    if (timeline_) timeline_->record(track_, std::move(name_), begin_, Timeline::Clock::now());
  }
  TimelineSpan(const TimelineSpan&) = delete;
  TimelineSpan& operator=(const TimelineSpan&) = delete;

 private:
  Timeline* const timeline_;
  const Timeline::Track track_;
  std::string name_;
  const Timeline::Clock::time_point begin_;
};

}  // namespace palimpsest
