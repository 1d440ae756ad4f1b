#include <CLI/CLI.hpp>
#include <cstdio>

#include "launch/commands.h"
#include "launch/run_story.h"

namespace palimpsest {

Run add_show(CLI::App& command) {
  struct Options {
    std::filesystem::path results;
    std::string run;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  command.add_option("DIR", options->results, "the sweep's results folder")->required();
  command.add_option("RUN", options->run, "the beginning of a run's id, or its number")->required();
  command.add_flag("--json", options->json, "for scripts");
  return [options](MpiWorld&) {
    const Ledger ledger = Ledger::open_for_reading(options->results);
    const RunRecord record = ledger.record(ledger.run_named(options->run));
    std::fputs((options->json ? show_json(record, ledger.study()) : show_text(record, ledger.study())).c_str(), stdout);
    return 0;
  };
}

}  // namespace palimpsest
