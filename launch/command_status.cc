#include <chrono>
#include <cstdio>

#include "launch/commands.h"
#include "launch/submitted.h"
#include "launch/sweep_status.h"
#include "runtime/clock.h"

namespace palimpsest {
namespace {

SweepStatus status_in(const std::filesystem::path& results) {
  const bool running = Ledger::held(results);
  return status_of(Ledger::open_for_reading(results), running, unix_time());
}

// The slices of an array are folders in the one it was submitted into.
void tell_slices(const std::filesystem::path& results) {
  for (const auto& folder : slices_in(results)) {
    const std::string text = status_text(status_in(folder));
    std::printf("%s: %s", folder.filename().c_str(), text.substr(0, text.find('\n') + 1).c_str());
  }
}

std::string json_of_array(const std::filesystem::path& results) {
  std::map<std::string, std::string> slices;
  for (const auto& folder : slices_in(results)) slices[folder.filename()] = status_json(status_in(folder));
  return submitted_json(results, slices);
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
    const bool submitted = was_submitted(options->results), has_ledger = std::filesystem::exists(options->results / "ledger.sqlite");
    if (submitted && !has_ledger && options->json) return std::fputs(json_of_array(options->results).c_str(), stdout), 0;
    if (submitted && !options->json) {
      tell_submitted(options->results);
      tell_slices(options->results);
      if (!has_ledger) return 0;
    }
    const SweepStatus status = status_in(options->results);
    std::fputs((options->json ? status_json(status) : status_text(status)).c_str(), stdout);
    return 0;
  };
}

}  // namespace palimpsest
