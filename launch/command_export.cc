#include <fmt/core.h>

#include "launch/commands.h"
#include "sweeps/export_json_lines.h"
#include "sweeps/ledger.h"

namespace palimpsest {

Run add_export(CommandLine& command) {
  struct Options {
    std::vector<std::filesystem::path> results;
    std::filesystem::path out;
    std::string format = "csv";
  };
  auto options = std::make_shared<Options>();
  command.add_option("DIR", options->results, "the sweep's results folder; several: slices of one sweep, read as one")->required();
  command.add_option("--out", options->out, "folder for the tables; without it DIR/export");
  command.add_option("--format", options->format, "csv: tidy tables; jsonl: the same rows as JSON lines, an object each")->one_of({"csv", "jsonl"})->capture_default_str();
  return [options](MpiWorld&) {
    const auto out = options->out.empty() ? options->results.front() / "export" : options->out;
    const Ledger ledger = Ledger::open_for_reading(options->results);
    (options->format == "csv" ? export_csv : export_json_lines)(ledger, out);
    fmt::print("{} metrics of {} runs: {}\n", ledger.metrics().size(), ledger.runs().size(), out.string());
    return 0;
  };
}

}  // namespace palimpsest
