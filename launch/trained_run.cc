#include "launch/trained_run.h"

#include <vector>

#include <fmt/format.h>

#include "launch/device_of_run.h"
#include "launch/stop_signal.h"
#include "models/kept_adapters.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/progress.h"
#include "sweeps/definition.h"
#include "sweeps/kept_networks.h"
#include "sweeps/ledger.h"
#include "sweeps/plan.h"
#include "sweeps/run_record.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;

// Keys that the program did not have yet when the run was made are at their defaults.
Settings with_defaults(const Study& study, const Settings& given) {
  auto out = default_settings(study.keys);
  for (const auto& [key, value] : given.values()) out.set(key, value);
  return out;
}

// The identity holds what the run read: with other inputs it would be another run.
void refuse_changed_inputs(const Study& study, const RunSpec& run) {
  const auto inputs = study.inspect(run.settings, run.image_set, run.image_sets);
  const auto now = run_id(study, run.settings, run.seed, run.image_set, inputs);
  if (now != run.id)
    throw InputError(fmt::format("run {}: its slow weights or images, the number of image sets of its sweep or the study's method have changed since: "
                                 "it would be run {} now, with another network. Put them back as they were.",
                                 run.id, now));
}

// Of what was kept, what will do; empty: nothing.
fs::path kept_of(const fs::path& results, const RunId& run, NetworkPart part) {
  if (const auto trained = kept_file(results, Kept::kTrained, run); fs::exists(trained)) return trained;
  const auto adapters = kept_file(results, Kept::kAdapters, run);
  if (!fs::exists(adapters)) return {};
  if (part == NetworkPart::kAdapters || are_whole_encoder(adapters)) return adapters;
  log().info("of run {} the adapters were kept, but more of its encoder learned", run);
  return {};
}

void train_again(const Study& study, const RunSpec& run, const fs::path& file) {
  refuse_changed_inputs(study, run);
  log().info("run {} was not kept: training it again", run.id);
  Progress progress("train again", 100, "%");
  PackContext context;
  context.report = [](RunResult) {};
  context.should_stop = [] { return stop_requested(); };
  context.progress = [&](double share) { progress.update(static_cast<std::int64_t>(100 * share)); };
  prepare_folder(file.parent_path());
  find_train_again(study.name)(run, file, context);
  progress.finish();
}

}  // namespace

fs::path network_of_run(const fs::path& results, const std::string& words, NetworkPart part) {
  const auto ledger = Ledger::open_for_reading(results);
  LedgerRun run = ledger.record(ledger.run_named(words)).run;
  const Study* study = find_study(ledger.study());
  if (!study || !find_train_again(study->name))
    throw InputError(fmt::format("{}: runs of the study {} have no network", results.string(), ledger.study()));
  if (run.state == RunState::kFailed)
    throw InputError(fmt::format("run {} failed: {}. It has no network.", run.spec.id, run.reason));
  if (const auto kept = kept_of(results, run.spec.id, part); !kept.empty()) return kept;
  run.spec.settings = with_defaults(*study, run.spec.settings);
  run.spec.image_sets = read_definition_text(ledger.definition_text(), results / "resolved.toml").image_sets;
  use_device_of_run(run.spec.id, run.device);
  const auto file = kept_file(results, Kept::kTrained, run.spec.id);
  train_again(*study, run.spec, file);
  return file;
}

fs::path weights_given(const fs::path& weights, const std::string& run, NetworkPart part) {
  if (!run.empty()) return network_of_run(weights, run, part);
  if (fs::exists(weights / "ledger.sqlite"))
    throw InputError(fmt::format("{}: is the results folder of a sweep. Say which run's network is meant: --run ID.", weights.string()));
  return weights;
}

}  // namespace palimpsest
