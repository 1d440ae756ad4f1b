#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "launch/commands.h"
#include "sweeps/claim_check.h"
#include "sweeps/outline.h"

namespace palimpsest {
namespace {

struct Options {
  std::string file, out;
  std::vector<std::string> overrides;
  int ranks = 1;
  bool json = false;
  double probe = 0;
};

int plan(const Options& options) {
  std::vector<Override> overrides;
  for (const std::string& given : options.overrides) overrides.push_back(parse_override(given));
  const Plan plan(read_definition(options.file, overrides));
  const auto warnings = warnings_of_claims(plan);
  Outline seen = outline(plan, options.ranks, memory_of_worker(options.ranks), options.out.empty() ? std::nullopt : progressed_in(options.out, plan),
                         options.probe);
  seen.warnings.insert(seen.warnings.end(), warnings.begin(), warnings.end());
  const std::string said = options.json ? outline_json(plan, seen).dump(2) + "\n" : outline_text(plan, seen);
  std::fputs(said.c_str(), stdout);
  return 0;
}

}  // namespace

Run add_plan(CLI::App& command) {
  auto options = std::make_shared<Options>();
  command.add_option("FILE", options->file, "sweep definition (TOML)")->required();
  command.add_option("--set", options->overrides, "override a key of the definition: --set training.epochs=20 (again for more)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command.add_option("--ranks", options->ranks, "workers the sweep would have")->check(CLI::Range(1, 100000))->capture_default_str();
  command.add_option("--out", options->out, "results folder: show what is done there already")->type_name("DIR");
  command.add_option("--probe", options->probe, "measure for so long how fast packs of 1, 2, 4, ... runs are")->check(CLI::PositiveNumber)->type_name("SECONDS");
  command.add_flag("--json", options->json, "the same as JSON");
  return [options](MpiWorld&) { return plan(*options); };
}

}  // namespace palimpsest
