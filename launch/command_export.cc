#include <fmt/core.h>

#include "launch/commands.h"
#include "sweeps/ledger.h"

namespace palimpsest {

Run add_export(CommandLine& command) {
  struct Options {
    std::vector<std::filesystem::path> results;
    std::filesystem::path out;
  };
  auto options = std::make_shared<Options>();
  command.add_option("DIR", options->results, "the sweep's results folder; several: slices of one sweep, read as one")->required();
  command.add_option("--out", options->out, "folder for the tables; without it DIR/export");
  return [options](MpiWorld&) {
    const auto out = options->out.empty() ? options->results.front() / "export" : options->out;
    const Ledger ledger = Ledger::open_for_reading(options->results);
    export_csv(ledger, out);
    fmt::print("{} metrics of {} runs: {}\n", ledger.metrics().size(), ledger.runs().size(), out.string());
    return 0;
  };
}

}  // namespace palimpsest
