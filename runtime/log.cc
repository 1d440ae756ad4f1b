#include "runtime/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <deque>
#include <fstream>
#include <mutex>
#include <system_error>
#include <vector>

#include <spdlog/sinks/base_sink.h>
#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/progress.h"

namespace palimpsest {
namespace {

std::string_view text_of(const spdlog::string_view_t& view) { return {view.data(), view.size()}; }

/// One short line a message for people, on stderr, in place of a progress bar that is drawn there.
class PeopleSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit PeopleSink(int rank) : rank_(rank) { set_level(spdlog::level::info); }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::time_t now = spdlog::log_clock::to_time_t(message.time);
    std::tm local{};
    ::localtime_r(&now, &local);
    char time[16];
    std::strftime(time, sizeof time, "%H:%M:%S ", &local);
    std::string line = time;
    if (rank_ > 0) line += "rank " + std::to_string(rank_) + ": ";
    if (message.level >= spdlog::level::warn) line += message.level == spdlog::level::warn ? "warning: " : "error: ";
    line += text_of(message.payload);
    clear_progress_bar();
    std::fputs((line + "\n").c_str(), stderr);
  }
  void flush_() override { std::fflush(stderr); }

  int rank_;
};

std::string iso_time(spdlog::log_clock::time_point time) {
  const auto since = time.time_since_epoch();
  const std::time_t whole = spdlog::log_clock::to_time_t(time);
  std::tm utc{};
  ::gmtime_r(&whole, &utc);
  char text[40];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + length, sizeof text - length, ".%03dZ",
                static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count() % 1000));
  return text;
}

/// One JSON object a line, appended by one write each, so that the lines of several ranks stay whole in one file.
class JsonSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  JsonSink(int rank, const std::filesystem::path& file)
      : rank_(rank), descriptor_(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
    if (descriptor_ < 0)
      throw InputError(file.string() + ": the log cannot be written: " + std::generic_category().message(errno) +
                       ". Name a folder that can be written to.");
  }
  ~JsonSink() override { ::close(descriptor_); }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    nlohmann::ordered_json line;
    line["time"] = iso_time(message.time);
    line["level"] = text_of(spdlog::level::to_string_view(message.level));
    line["rank"] = rank_;
    line["message"] = text_of(message.payload);
    const std::string bytes = line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    if (::write(descriptor_, bytes.data(), bytes.size()) < 0)
      return;  // a full disk ends the work elsewhere, with its sentence
  }
  void flush_() override {}

  int rank_;
  int descriptor_;
};

std::shared_ptr<spdlog::logger> make_logger(std::vector<spdlog::sink_ptr> sinks) {
  auto logger = std::make_shared<spdlog::logger>("palimpsest", sinks.begin(), sinks.end());
  logger->set_level(spdlog::level::debug);
  logger->flush_on(spdlog::level::warn);
  return logger;
}

std::shared_ptr<spdlog::logger>& current() {
  static std::shared_ptr<spdlog::logger> logger = make_logger({std::make_shared<PeopleSink>(0)});
  return logger;
}

}  // namespace

void open_log(int rank, const std::filesystem::path& folder) {
  std::vector<spdlog::sink_ptr> sinks = {std::make_shared<PeopleSink>(rank)};
  if (!folder.empty()) {
    prepare_folder(folder);
    sinks.push_back(std::make_shared<JsonSink>(rank, folder / "log.jsonl"));
  }
  current() = make_logger(std::move(sinks));
}

spdlog::logger& log() { return *current(); }

std::string last_words(const std::filesystem::path& folder, int rank) {
  constexpr std::streamoff kTail = 1 << 16;
  constexpr std::size_t kLines = 3;
  std::ifstream file(folder / "log.jsonl", std::ios::binary | std::ios::ate);
  if (!file) return {};
  file.seekg(std::max<std::streamoff>(0, static_cast<std::streamoff>(file.tellg()) - kTail));
  std::deque<std::string> lines;
  for (std::string text; std::getline(file, text);) {
    const auto line = nlohmann::json::parse(text, nullptr, false);   // the first may be half a line
    if (!line.is_object() || line.value("rank", nlohmann::json()) != rank || !line.value("message", nlohmann::json()).is_string()) continue;
    lines.push_back(line["message"].get<std::string>());
    if (lines.size() > kLines) lines.pop_front();
  }
  std::string words;
  for (const std::string& line : lines) words += (words.empty() ? "" : "; ") + line;
  return words;
}

}  // namespace palimpsest
