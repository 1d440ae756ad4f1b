#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include <fmt/core.h>

#include "launch/commands.h"
#include "launch/live_pages.h"
#include "launch/stop_signal.h"
#include "sweeps/verdict_table.h"

namespace palimpsest {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kEverySeconds = 2, kTurnSeconds = 0.2;

struct Options {
  std::filesystem::path results;
  bool web = false;
  int port = 0;
};

std::string verdicts_now(const Options& options, const SweepStatus& status) {
  const Ledger ledger = Ledger::open_for_reading(options.results);
  const ReportSource source = report_source(ledger);
  if (source.rows.claims.empty()) return {};
  if (!may_judge(source, status)) return fmt::format("{}\n", kNoVerdictYet);
  return verdict_table(judge(source.rows), source.rows.unit, ::isatty(STDOUT_FILENO));
}

void rest(double seconds) {
  for (const auto end = Clock::now() + std::chrono::duration<double>(seconds); Clock::now() < end && !stop_requested();)
    std::this_thread::sleep_for(std::chrono::duration<double>(kTurnSeconds));
}

/// Screen after screen, until the sweep is through; from a pipe, a screen each time something changed.
int watch_in_terminal(const Options& options) {
  const bool terminal = ::isatty(STDOUT_FILENO);
  std::string verdicts, last;
  std::int64_t settled = -1;
  while (!stop_requested()) {
    const SweepStatus status = status_now(options.results);
    if (status.runs.done + status.runs.failed != settled) {
      settled = status.runs.done + status.runs.failed;
      verdicts = verdicts_now(options, status);
    }
    const std::string screen = status_text(status) + (verdicts.empty() ? "" : "\n" + verdicts);
    if (terminal) fmt::print("\x1b[H\x1b[2J{}", screen);
    else if (screen != last) fmt::print("{}\n", screen);
    std::fflush(stdout);
    last = screen;
    if (through(status)) break;
    rest(kEverySeconds);
  }
  return 0;
}

int watch_in_browser(const Options& options) {
  LivePages pages(options.results);
  LocalServer server(options.port);
  fmt::print("http://127.0.0.1:{}/ shows {} until Ctrl-C; it can be read on this machine alone.\n", server.port(), options.results.string());
  std::fflush(stdout);
  while (!stop_requested()) server.serve(kTurnSeconds, [&](const std::string& path) { return pages.answer(path); });
  return 0;
}

}  // namespace

Run add_watch(CommandLine& command) {
  auto options = std::make_shared<Options>();
  command.add_option("DIR", options->results, "the sweep's results folder")->required();
  command.add_flag("--web", options->web, "as a page for a browser on this machine, read-only, in place of the terminal");
  command.add_option("--port", options->port, "of the page; without it one that is free")->between(1, 65535)->needs("--web");
  return [options](MpiWorld&) {
    catch_stop_signals();
    return options->web ? watch_in_browser(*options) : watch_in_terminal(*options);
  };
}

}  // namespace palimpsest
