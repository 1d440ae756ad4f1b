#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include <fmt/core.h>

#include "launch/commands.h"
#include "launch/local_server.h"
#include "launch/stop_signal.h"
#include "launch/sweep_status.h"
#include "runtime/clock.h"
#include "sweeps/claim_card.h"
#include "sweeps/page_assets.h"
#include "sweeps/report.h"
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

SweepStatus status_now(const std::filesystem::path& results) {
  const bool running = Ledger::held(results);
  return status_of(Ledger::open_for_reading(results), running, unix_time());
}

bool through(const SweepStatus& status) { return status.runs.waiting == 0 && !status.running; }

/// Verdicts on the way stand up to looking where units are added until claims are decided, and nowhere else.
bool may_judge(const ReportSource& source, const SweepStatus& status) { return source.rows.replication || through(status); }

constexpr const char* kNoVerdictYet =
    "Verdicts come when all runs are through: looked at on the way they would be wrong more often than they say. [replicate] in the definition makes "
    "verdicts that stand up to looking.";

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

/// The pages, each made from the ledger when asked for; what takes long is kept until there is something new.
class Pages {
 public:
  explicit Pages(const Options& options) : options_(options) {}

  std::optional<Response> operator()(const std::string& path) {
    if (path == "/") return Response{"text/html", std::string(watch_page())};
    if (path == "/style.css") return Response{"text/css", std::string(page_style())};
    if (path == "/status.json") return Response{"application/json", status_json(status_now(options_.results))};
    if (path == "/claims.html") return Response{"text/html", kept(claims_, [&](const auto& source, bool judged) { return claims(source, judged); })};
    if (path == "/report.html") return Response{"text/html", kept(report_, [&](const auto& source, bool judged) { return report(source, judged); })};
    return std::nullopt;
  }

 private:
  struct Kept {
    std::int64_t settled = -1;
    bool running = false;
    std::string text;
  };

  template <class Make>
  const std::string& kept(Kept& one, const Make& make) {
    const SweepStatus status = status_now(options_.results);
    const std::int64_t settled = status.runs.done + status.runs.failed;
    if (settled == one.settled && status.running == one.running) return one.text;
    const Ledger ledger = Ledger::open_for_reading(options_.results);
    const ReportSource source = report_source(ledger);
    one = {settled, status.running, make(source, may_judge(source, status))};
    return one.text;
  }

  static std::string claims(const ReportSource& source, bool judged) {
    if (source.rows.claims.empty()) return "<p class=\"note\">The sweep makes no claim.</p>";
    if (!judged) return "<p class=\"note\">" + std::string(kNoVerdictYet) + "</p>";
    std::string cards;
    std::size_t number = 0;
    for (const ClaimResult& claim : judge(source.rows)) cards += claim_card(claim, source.rows.unit, ++number);
    return cards;
  }

  static std::string report(ReportSource source, bool judged) {
    if (!judged) source.rows.claims.clear();
    return report_page(source);
  }

  const Options& options_;
  Kept claims_, report_;
};

int watch_in_browser(const Options& options) {
  status_now(options.results);   // there is a ledger, or it says why not
  LocalServer server(options.port);
  fmt::print("http://127.0.0.1:{}/ shows {} until Ctrl-C; it can be read on this machine alone.\n", server.port(), options.results.string());
  std::fflush(stdout);
  Pages pages(options);
  while (!stop_requested()) server.serve(kTurnSeconds, [&](const std::string& path) { return pages(path); });
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
