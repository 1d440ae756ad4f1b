#include <chrono>
#include <thread>

#include <fmt/core.h>

#include "launch/cancellation.h"
#include "launch/commands.h"
#include "launch/stop_signal.h"
#include "launch/submitted.h"
#include "launch/sweep_status.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

constexpr std::chrono::seconds kPatience{20};   // a coordinator looks every second and ends within ten

// Whether somebody is at work there, and was asked to end.
bool ask(const std::filesystem::path& results) {
  const Ledger before = Ledger::open_for_reading(results);   // says so where there is no sweep
  if (Ledger::held(results)) return ask_to_cancel(results), true;
  fmt::print("nobody is at work on {}.\n", results.string());
  return false;
}

int await_end(const std::filesystem::path& results, std::chrono::steady_clock::time_point deadline) {
  while (Ledger::held(results)) {
    if (std::chrono::steady_clock::now() > deadline || stop_requested())
      throw Interrupted(fmt::format("{}: the sweep was asked to end and has not yet. It will when its coordinator sees it; `palimpsest status {}` tells.",
                                    results.string(), results.string()));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  const Ledger ledger = Ledger::open_for_reading(results);
  const SweepStatus status = status_of(ledger, false, 0);
  fmt::print("ended in order: {} of {} runs done, {} failed, {} to do. The same `palimpsest sweep` goes on with them.\n", status.runs.done, status.runs.all(),
             status.runs.failed, status.runs.waiting);
  return 0;
}

int cancel(const std::filesystem::path& results) {
  const bool submitted = was_submitted(results);
  std::vector<std::filesystem::path> sweeps = submitted ? slices_in(results) : std::vector{results};
  if (submitted && std::filesystem::exists(results / "ledger.sqlite")) sweeps.push_back(results);
  std::erase_if(sweeps, [](const auto& one) { return !ask(one); });
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  try {
    for (const auto& one : sweeps) await_end(one, deadline);
  } catch (const Interrupted&) {
    if (submitted) cancel_submitted(results);   // its script would ask for another turn when it does end
    throw;
  }
  return submitted ? cancel_submitted(results) : 0;   // else the batch system would take it up again
}

}  // namespace

Run add_cancel(CommandLine& command) {
  auto results = std::make_shared<std::filesystem::path>();
  command.add_option("DIR", *results, "the results folder of a sweep at work, or what a job was submitted into")->required();
  command.footer("Every rank leaves its pack between two steps and what is done stays. Works from any host that sees the folder.");
  return [results](MpiWorld&) {
    catch_stop_signals();
    return cancel(*results);
  };
}

}  // namespace palimpsest
