#include "runtime/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace palimpsest {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr Clock::duration kBetweenBars = 100ms, kBetweenLines = 60s;
constexpr int kBarWidth = 24;

std::atomic<bool> bar_shown = false;

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

std::string formatted(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string rate_text(double per_second, const std::string& unit) {
  if (per_second >= 1) return formatted(per_second < 10 ? "%.1f " : "%.0f ", per_second) + unit + "/s";
  if (per_second * 60 >= 1) return formatted("%.1f ", per_second * 60) + unit + "/min";
  return formatted("%.1f ", per_second * 3600) + unit + "/h";
}

// mpirun stands between its ranks and the terminal; `palimpsest launch` says that there is one, and how wide it is.
int launcher_columns() {
  const char* columns = std::getenv("PALIMPSEST_TERMINAL_COLUMNS");
  return columns ? std::atoi(columns) : 0;
}

std::size_t terminal_width() {
  if (const int columns = launcher_columns(); columns > 0) return static_cast<std::size_t>(columns);
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string bar(double share) {
  const int full = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * kBarWidth));
  return "[" + std::string(full, '=') + std::string(kBarWidth - full, ' ') + "] ";
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<long long>(std::lround(std::clamp(seconds, 0.0, 1e12)));
  char text[64];
  if (whole < 60)
    std::snprintf(text, sizeof text, "%lld s", whole);
  else if (whole < 3600)
    std::snprintf(text, sizeof text, "%lld min %02lld s", whole / 60, whole % 60);
  else if (whole < 48 * 3600)
    std::snprintf(text, sizeof text, "%lld h %02lld min", whole / 3600, whole / 60 % 60);
  else
    std::snprintf(text, sizeof text, "%lld days %lld h", whole / 86400, whole / 3600 % 24);
  return text;
}

void clear_progress_bar() {
  if (bar_shown.exchange(false)) std::fputs("\r\033[K", stderr);
}

Progress::Progress(std::string what, std::int64_t total, std::string unit)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) || launcher_columns() > 0),
      start_(Clock::now()),
      drawn_(start_) {}

Progress::~Progress() {
  if (!finished_ && terminal_) clear_progress_bar();
}

void Progress::update(std::int64_t done, const std::string& note) {
  done_ = done;
  const auto now = Clock::now();
  if (first_ < 0) {
    first_ = done;  // a resumed run starts in the middle; its rate counts from here
    start_ = now;
    if (!terminal_) drawn_ = now;
  }
  if (now - drawn_ < (terminal_ ? kBetweenBars : kBetweenLines)) return;
  drawn_ = now;
  draw(note, false);
}

void Progress::finish(const std::string& note) {
  if (finished_) return;
  finished_ = true;
  draw(note, true);
}

void Progress::draw(const std::string& note, bool last) {
  const double elapsed = seconds(Clock::now() - start_),
               rate = elapsed > 0 ? static_cast<double>(done_ - std::max<std::int64_t>(first_, 0)) / elapsed : 0;
  std::string line = what_ + "  ";
  if (terminal_ && !last && total_ > 0) line += bar(static_cast<double>(done_) / static_cast<double>(total_));
  line += std::to_string(done_) + (total_ > 0 ? "/" + std::to_string(total_) : "") + " " + unit_;
  if (rate > 0) line += "  " + rate_text(rate, unit_);
  if (last)
    line += "  in " + duration_text(elapsed);
  else if (rate > 0 && total_ > 0)
    line += "  " + duration_text(static_cast<double>(total_ - done_) / rate) + " left";
  if (!note.empty()) line += "  " + note;
  if (terminal_ && !last)
    line.resize(std::min(line.size(), terminal_width() - 1));  // a line that wraps could not be drawn over
  // One call, so that lines of other threads and ranks do not fall into it.
  std::fputs((terminal_ ? "\r" + line + "\033[K" + (last ? "\n" : "") : line + "\n").c_str(), stderr);
  bar_shown = terminal_ && !last;
}

}  // namespace palimpsest
