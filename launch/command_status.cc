#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>

#include "launch/commands.h"
#include "launch/sweep_status.h"

namespace palimpsest {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

}  // namespace

Run add_status(CLI::App& command) {
  struct Options {
    std::filesystem::path results;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  command.add_option("DIR", options->results, "the sweep's results folder")->required();
  command.add_flag("--json", options->json, "for scripts");
  return [options](MpiWorld&) {
    const bool running = Ledger::held(options->results);
    const SweepStatus status = status_of(Ledger::open_for_reading(options->results), running, now());
    std::fputs((options->json ? status_json(status) : status_text(status)).c_str(), stdout);
    return 0;
  };
}

}  // namespace palimpsest
