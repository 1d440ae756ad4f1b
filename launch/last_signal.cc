#include "launch/last_signal.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>

namespace palimpsest {
namespace {

// All that the handler needs is made before: it may neither allocate nor lock.
int log_file = -1, rank_of_log = 0;
struct sigaction before[NSIG];

struct Line {
  std::array<char, 256> text{};
  std::size_t size = 0;
  void add(const char* more) {
    for (; *more && size < text.size(); ++more) text[size++] = *more;
  }
  void add(long number, int width = 1) {
    char digits[24];
    int count = 0;
    for (; number > 0 || count < width; number /= 10) digits[count++] = static_cast<char>('0' + number % 10);
    while (count > 0 && size < text.size()) text[size++] = digits[--count];
  }
};

void add_time(Line& line) {
  using namespace std::chrono;
  const auto now = floor<milliseconds>(system_clock::now());
  const year_month_day day(floor<days>(now));
  const hh_mm_ss time(now - floor<days>(now));
  line.add(static_cast<int>(day.year()), 4), line.add("-"), line.add(static_cast<unsigned>(day.month()), 2), line.add("-");
  line.add(static_cast<unsigned>(day.day()), 2), line.add("T"), line.add(time.hours().count(), 2), line.add(":");
  line.add(time.minutes().count(), 2), line.add(":"), line.add(time.seconds().count(), 2), line.add(".");
  line.add(time.subseconds().count(), 3), line.add("Z");
}

const char* name_of(int signal) {
  switch (signal) {
    case SIGSEGV: return "segmentation fault";
    case SIGABRT: return "abort";
    case SIGBUS: return "bus error";
    case SIGFPE: return "arithmetic fault";
    default: return "illegal instruction";
  }
}

void on_signal(int signal) {
  Line line;
  line.add("{\"time\":\""), add_time(line), line.add("\",\"level\":\"critical\",\"rank\":"), line.add(rank_of_log);
  line.add(",\"message\":\"killed by signal "), line.add(signal), line.add(" ("), line.add(name_of(signal)), line.add(")\"}\n");
  [[maybe_unused]] const auto written = write(log_file, line.text.data(), line.size);
  sigaction(signal, &before[signal], nullptr);
  raise(signal);
}

}  // namespace

void log_last_signal(const std::filesystem::path& results, int rank) {
  if (log_file >= 0) return;
  log_file = open((results / "log.jsonl").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  rank_of_log = rank;
  if (log_file < 0) return;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  for (int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}) sigaction(signal, &action, &before[signal]);
}

}  // namespace palimpsest
