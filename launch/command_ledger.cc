#include <algorithm>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "launch/commands.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/words.h"
#include "sweeps/ledger_check.h"

namespace palimpsest {
namespace {

struct Options {
  std::filesystem::path results, out;
  bool json = false;
};

int check(const Options& options) {
  const LedgerHealth health = check_ledger(options.results);
  if (options.json) {
    const nlohmann::ordered_json json = {{"whole", health.findings.empty()}, {"findings", health.findings}, {"runs", health.runs}, {"done", health.done},
                                         {"measurements", health.measurements}};
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return health.findings.empty() ? 0 : 2;
  }
  if (health.findings.empty()) {
    fmt::print("whole: {}, {} done, {}; every page, row and id is as it was written.\n", counted(health.runs, "run"), health.done, counted(health.measurements, "measurement"));
    return 0;
  }
  for (const std::string& finding : health.findings) fmt::print("{}\n", finding);
  const std::string folder = options.results.string();
  throw InputError(fmt::format("{}/ledger.sqlite is damaged. `palimpsest ledger salvage {} --out NEW` saves what is whole.", folder, folder));
}

bool lost_nothing(const Salvage& saved) {
  return saved.run_again == 0 && std::ranges::none_of(saved.tables, [](const Saved& one) { return one.damaged > 0 || one.cut; });
}

int salvage(const Options& options) {
  prepare_folder(options.out);
  const Salvage saved = salvage_ledger(options.results, options.out);
  for (const Saved& one : saved.tables)
    fmt::print("{:13} {} rows saved{}{}\n", one.table, one.rows, one.damaged ? fmt::format(", {} damaged", one.damaged) : "",
               one.cut ? ", some of its pages cannot be read" : "");
  fmt::print("{}, {} done{}. {}\n", counted(saved.runs, "run"), saved.done,
             saved.run_again ? fmt::format(", {} to be run again since not all of their results are whole", saved.run_again) : "",
             lost_nothing(saved) ? "Nothing is lost: it is a copy of the whole ledger." : fmt::format("Sweep into {} to run what is lost.", options.out.string()));
  return 0;
}

}  // namespace

Run add_ledger(CommandLine& command) {
  auto options = std::make_shared<Options>();
  command.require_subcommand();
  CommandLine* look = command.add_subcommand("check", "look at every page, row and id of a ledger; ends with 0 where it is whole, else with 2");
  CommandLine* save = command.add_subcommand("salvage", "copy what is whole in a damaged ledger into a new one");
  for (CommandLine* sub : {look, save}) sub->add_option("DIR", options->results, "the sweep's results folder")->required();
  look->add_flag("--json", options->json, "for scripts");
  save->add_option("--out", options->out, "folder for the new ledger")->required();
  return [options, look](MpiWorld&) { return look->parsed() ? check(*options) : salvage(*options); };
}

}  // namespace palimpsest
