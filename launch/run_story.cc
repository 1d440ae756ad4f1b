#include "launch/run_story.h"

#include <cmath>
#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace palimpsest {
namespace {

using Json = nlohmann::ordered_json;

// What a metric came to: enough to see whether it is what it should be, without the whole array.
struct Summary {
  std::size_t count = 0, not_numbers = 0;
  double least = 0, mean = 0, greatest = 0;
};

Summary summary_of(const Measurement& measurement) {
  Summary summary;
  for (const float value : measurement.values) {
    if (!std::isfinite(value)) { ++summary.not_numbers; continue; }
    summary.least = summary.count == 0 ? value : std::min(summary.least, static_cast<double>(value));
    summary.greatest = summary.count == 0 ? value : std::max(summary.greatest, static_cast<double>(value));
    summary.mean += (value - summary.mean) / static_cast<double>(++summary.count);
  }
  return summary;
}

std::string axes_text(const Measurement& measurement) {
  std::string text;
  for (const Axis& axis : measurement.axes) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", axis.name, axis.labels.size());
  return text;
}

std::string line_of(const Measurement& measurement) {
  const Summary summary = summary_of(measurement);
  std::string line = fmt::format("  {} [{}]", measurement.metric, axes_text(measurement));
  if (summary.count) line += fmt::format(": {:.4g} to {:.4g}, mean {:.4g}", summary.least, summary.greatest, summary.mean);
  if (summary.not_numbers) line += fmt::format("; {} of {} are not finite", summary.not_numbers, measurement.values.size());
  return line + "\n";
}

const char* word(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDone: return "done";
    case Outcome::kFailed: return "failed";
    case Outcome::kDropped: return "dropped, since another result came first";
    case Outcome::kStopped: return "stopped before it had a result";
    case Outcome::kLost: return "lost with its worker";
    case Outcome::kSpared: return "stopped with all ranks";
    default: return "no result: in flight, or of a coordinator that was lost";
  }
}

std::string where(const Attempt& attempt) { return fmt::format("{}, rank {}, {}", attempt.host.str(), attempt.rank, attempt.device.str()); }

std::string state_text(const RunRecord& record) {
  const LedgerRun& run = record.run;
  if (run.state == RunState::kWaiting) return "waiting (`palimpsest explain` says why)";
  const std::string when = fmt::format("{}, {:.3g} s on {}, {}", date_text(run.finished), run.seconds, run.host, run.device);
  return run.state == RunState::kDone ? "done " + when : fmt::format("failed {}: {}", when, run.reason);
}

template <class Map, class Text>
std::string lines_of(const Map& words, Text text) {
  std::size_t width = 0;
  for (const auto& [key, value] : words) width = std::max(width, key.size());
  std::string lines;
  for (const auto& [key, value] : words) lines += fmt::format("  {:{}}  {}\n", key, width, text(value));
  return lines;
}

// Of the session and host of the attempt that counts; none where there is none.
std::map<std::string, std::string> made_by(const RunRecord& record) {
  const PastAttempt* counted = counting_attempt(record);
  const auto found = record.sessions.find(counted ? counted->epoch : -1);
  return found == record.sessions.end() ? std::map<std::string, std::string>() : facts_on_host(found->second.provenance, counted->attempt.host.str());
}

Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json json_of(const Value& value) {
  return std::visit([](const auto& one) -> Json {
    if constexpr (std::is_same_v<std::decay_t<decltype(one)>, double>) return number_or_null(one);
    else return one;
  }, value);
}

Json json_of(const PastAttempt& one) {
  return {{"number", one.attempt.number}, {"pack", one.attempt.pack}, {"host", one.attempt.host.str()}, {"device", one.attempt.device.str()}, {"rank", one.attempt.rank},
          {"started", one.attempt.started}, {"finished", one.attempt.finished}, {"outcome", word(one.outcome)}, {"reason", one.reason}, {"session", one.epoch}};
}

Json json_of(const Measurement& measurement) {
  const Summary summary = summary_of(measurement);
  Json axes = Json::array();
  for (const Axis& axis : measurement.axes) axes.push_back({{"name", axis.name}, {"labels", axis.labels}});
  return {{"metric", measurement.metric}, {"axes", axes}, {"numbers", measurement.values.size()}, {"not_finite", summary.not_numbers},
          {"least", summary.count ? Json(summary.least) : Json(nullptr)}, {"mean", summary.count ? Json(summary.mean) : Json(nullptr)},
          {"greatest", summary.count ? Json(summary.greatest) : Json(nullptr)}};
}

}  // namespace

const char* word(RunState state) {
  return state == RunState::kDone ? "done" : state == RunState::kFailed ? "failed" : "waiting";
}

std::string run_words(const LedgerRun& run) {
  return "run " + run.spec.id + (run.asked ? fmt::format(", number {}", run.number) : "");
}

std::string date_text(double seconds) {
  const auto whole = static_cast<std::time_t>(seconds);
  std::tm utc{};
  gmtime_r(&whole, &utc);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &utc);
  return text;
}

std::string attempt_lines(const RunRecord& record) {
  std::string lines;
  for (const PastAttempt& one : record.attempts) {
    lines += fmt::format("  {} attempt {}, in pack {}, to {}: {}", date_text(one.attempt.started), one.attempt.number, one.attempt.pack, where(one.attempt),
                         word(one.outcome));
    if (one.attempt.finished > 0) lines += fmt::format(" after {:.3g} s", one.attempt.finished - one.attempt.started);
    lines += one.reason.empty() ? "\n" : ": " + one.reason + "\n";
  }
  return lines;
}

std::string show_text(const RunRecord& record, const std::string& study) {
  const RunSpec& spec = record.run.spec;
  const auto plain = [](const std::string& one) { return one; };
  std::string text = fmt::format("{}: {}{}\n", run_words(record.run), state_text(record),
                                 record.run.asked ? "" : "; the definition as it is now does not ask for it");
  text += fmt::format("\nits id is the hash of the study {} (method {}), seed {}, image set {}, its keys and what it reads\n", study, record.method, spec.seed,
                      spec.image_set);
  text += "\nkeys\n" + lines_of(spec.settings.values(), [](const Value& value) { return palimpsest::text(value); });
  text += "\nreads (XXH3-128)\n" + lines_of(spec.inputs, plain);
  if (!record.attempts.empty()) text += "\nattempts\n" + attempt_lines(record);
  if (const auto facts = made_by(record); !facts.empty()) text += "\nmade by\n" + lines_of(facts, plain);
  if (!record.measurements.empty()) text += "\nmeasured\n";
  for (const Measurement& one : record.measurements) text += line_of(one);
  return text;
}

std::string show_json(const RunRecord& record, const std::string& study) {
  const LedgerRun& run = record.run;
  Json json = {{"run", run.spec.id}, {"number", run.asked ? Json(run.number) : Json(nullptr)}, {"state", word(run.state)}, {"reason", run.reason}, {"asked", run.asked},
               {"study", study}, {"method", record.method}, {"seed", run.spec.seed}, {"image_set", run.spec.image_set}};
  json["keys"] = Json::object();
  for (const auto& [key, value] : run.spec.settings.values()) json["keys"][key] = json_of(value);
  json["inputs"] = run.spec.inputs;
  json["host"] = run.host;
  json["device"] = run.device;
  json["started"] = run.started;
  json["finished"] = run.finished;
  json["seconds"] = run.seconds;
  json["attempts"] = Json::array();
  for (const PastAttempt& one : record.attempts) json["attempts"].push_back(json_of(one));
  json["made_by"] = made_by(record).empty() ? Json(nullptr) : Json(made_by(record));
  json["measured"] = Json::array();
  for (const Measurement& one : record.measurements) json["measured"].push_back(json_of(one));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace palimpsest
