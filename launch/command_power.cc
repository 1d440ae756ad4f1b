#include <cstdio>
#include <memory>

#include <nlohmann/json.hpp>

#include "launch/commands.h"
#include "launch/shared_options.h"
#include "runtime/error.h"
#include "sweeps/power.h"
#include "sweeps/report.h"

namespace palimpsest {
namespace {

struct Options {
  std::vector<std::filesystem::path> folders;
  std::vector<double> effects, powers = {0.8, 0.9, 0.95};
  bool json = false;
};

int power(const Options& options) {
  const Ledger ledger = Ledger::open_for_reading(options.folders);
  const Rows rows = rows_of(ledger, study_of(ledger));
  if (rows.claims.empty()) throw InputError(options.folders.front().string() + ": the sweep makes no claim. Write one under [[claim]] and sweep again: its runs are there.");
  const auto table = power_table(judge(rows), options.effects, options.powers, rows.replication);
  std::fputs((options.json ? power_json(table, options.powers, rows.unit, rows.replication).dump(2) + "\n" : power_text(table, options.powers, rows.unit, rows.replication)).c_str(), stdout);
  return 0;
}

}  // namespace

Run add_power(CommandLine& command) {
  auto options = std::make_shared<Options>();
  command.add_option("DIR", options->folders, "results folder of a sweep, finished or not; several: slices of one sweep")->required();
  command.add_option("--effect", options->effects, "effects to find, in the claim's own measure; without them the smallest of interest, the one seen, and shares of the SD")
      ->above_zero();
  command.add_option("--power", options->powers, "chances of finding it")->between(0.01, 0.999)->capture_default_str();
  command.add_flag("--json", options->json, "the same as JSON");
  return [options](MpiWorld&) { return power(*options); };
}

}  // namespace palimpsest
