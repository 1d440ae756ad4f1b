#include <cstdio>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "launch/commands.h"
#include "launch/run_argument.h"
#include "launch/run_story.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

struct Line {
  std::string time, level, message;
  int rank = 0;
};

// Nothing where a line was cut off, as the last of a full disk is.
std::optional<Line> line_of(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  try {
    return Line{json.at("time"), json.at("level"), json.at("message"), json.at("rank")};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

// "pack 7", not "pack 71"
bool names_pack(const std::string& message, std::int64_t pack) {
  const std::string name = fmt::format("pack {}", pack);
  for (auto at = message.find(name); at != std::string::npos; at = message.find(name, at + 1))
    if (at + name.size() == message.size() || !std::isdigit(static_cast<unsigned char>(message[at + name.size()]))) return true;
  return false;
}

bool is_about(const Line& line, const RunRecord& record) {
  if (line.message.find(record.run.spec.id) != std::string::npos) return true;
  for (const PastAttempt& one : record.attempts)
    if (names_pack(line.message, one.attempt.pack)) return true;
  return false;
}

// Lines of the log compare by their time as text; what happened on the run's rank while it was there may tell of it, too.
bool is_near(const Line& line, const RunRecord& record) {
  for (const PastAttempt& one : record.attempts) {
    const std::string time = line.time.substr(0, 10) + " " + line.time.substr(std::min<std::size_t>(11, line.time.size()), 8);
    const double end = one.attempt.finished > 0 ? one.attempt.finished + 1 : one.attempt.started + 3600;
    if (line.rank == one.attempt.rank && time >= date_text(one.attempt.started).substr(0, 19) && time <= date_text(end).substr(0, 19)) return true;
  }
  return false;
}

void print_log(const std::filesystem::path& file, const RunRecord& record) {
  std::ifstream in(file);
  std::string near;
  std::size_t told = 0;
  for (std::string text; std::getline(in, text);) {
    const auto line = line_of(text);
    if (!line) continue;
    const std::string shown = fmt::format("  {} rank {} {}: {}\n", line->time, line->rank, line->level, line->message);
    if (is_about(*line, record)) std::fputs(shown.c_str(), stdout), ++told;
    else if (is_near(*line, record)) near += shown;
  }
  if (told == 0) fmt::print("  no line of {} names the run or its packs\n", file.string());
  if (!near.empty()) fmt::print("\nlines of its rank from that time\n{}", near);
}

}  // namespace

Run add_logs(CommandLine& command) {
  const auto argument = add_run_argument(command);
  return [argument](MpiWorld&) {
    const Ledger ledger = Ledger::open_for_reading(argument->results);
    const RunRecord record = argument->record(ledger);
    fmt::print("{}: {}\n{}\nlog\n", run_words(record.run), word(record.run.state), attempt_lines(record));
    print_log(argument->results / "log.jsonl", record);
    return 0;
  };
}

}  // namespace palimpsest
