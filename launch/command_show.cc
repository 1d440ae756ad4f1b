#include <cstdio>

#include "launch/commands.h"
#include "launch/run_argument.h"
#include "launch/run_story.h"

namespace palimpsest {

Run add_show(CommandLine& command) {
  const auto argument = add_run_argument(command);
  const auto json = std::make_shared<bool>(false);
  command.add_flag("--json", *json, "for scripts");
  return [argument, json](MpiWorld&) {
    const Ledger ledger = Ledger::open_for_reading(argument->results);
    const RunRecord record = argument->record(ledger);
    std::fputs((*json ? show_json(record, ledger.study()) : show_text(record, ledger.study())).c_str(), stdout);
    return 0;
  };
}

}  // namespace palimpsest
