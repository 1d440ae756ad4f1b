#include "runtime/timeline.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace palimpsest {
namespace {

double microseconds(Timeline::Clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

const char* name_of(Timeline::Track track) { return track == Timeline::Track::kCompute ? "compute" : "communication"; }

}  // namespace

void Timeline::record(Track track, std::string name, Clock::time_point begin, Clock::time_point end) {
  const std::lock_guard lock(mutex_);
  if (spans_.size() < kMost) spans_.push_back({track, std::move(name), begin, end});
}

std::string Timeline::events(int rank) const {
  const std::lock_guard lock(mutex_);
  std::string text = fmt::format(R"({{"ph":"M","name":"process_name","pid":{0},"args":{{"name":"rank {0}"}}}})", rank);
  for (const Track track : {Track::kCompute, Track::kCommunication})
    text += fmt::format(
        ",\n"
        R"({{"ph":"M","name":"thread_name","pid":{},"tid":{},"args":{{"name":"{}"}}}})",
        rank, static_cast<int>(track), name_of(track));
  for (const Span& span : spans_)
    text += ",\n" + nlohmann::json{{"ph", "X"},
                                   {"name", span.name},
                                   {"cat", name_of(span.track)},
                                   {"pid", rank},
                                   {"tid", static_cast<int>(span.track)},
                                   {"ts", microseconds(span.begin.time_since_epoch())},
                                   {"dur", microseconds(span.end - span.begin)}}
                        .dump();
  return text;
}

}  // namespace palimpsest
