#include <chrono>
#include <cstdio>

#include "launch/commands.h"
#include "launch/submitted.h"
#include "launch/sweep_status.h"
#include "runtime/clock.h"

namespace palimpsest {
namespace {

// The slices of an array are folders in the one it was submitted into.
void tell_slices(const std::filesystem::path& results) {
  for (const auto& folder : slices_in(results)) {
    const std::string text = status_text(status_of(Ledger::open_for_reading(folder), Ledger::held(folder), unix_time()));
    std::printf("%s: %s", folder.filename().c_str(), text.substr(0, text.find('\n') + 1).c_str());
  }
}

}  // namespace

Run add_status(CommandLine& command) {
  struct Options {
    std::filesystem::path results;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  command.add_option("DIR", options->results, "the sweep's results folder")->required();
  command.add_flag("--json", options->json, "for scripts");
  return [options](MpiWorld&) {
    if (was_submitted(options->results) && !options->json) {
      tell_submitted(options->results);
      tell_slices(options->results);
      if (!std::filesystem::exists(options->results / "ledger.sqlite")) return 0;
    }
    const bool running = Ledger::held(options->results);
    const SweepStatus status = status_of(Ledger::open_for_reading(options->results), running, unix_time());
    std::fputs((options->json ? status_json(status) : status_text(status)).c_str(), stdout);
    return 0;
  };
}

}  // namespace palimpsest
