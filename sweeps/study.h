#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/settings.h"
#include "sweeps/measurement.h"
#include "sweeps/snapshot.h"

namespace palimpsest {

/// 128-bit identity of a run, in hex: the hash of everything the run resolves to.
using RunId = std::string;

/// What one run resolves to. `settings` holds every key of the study.
struct RunSpec {
  RunId id;
  Settings settings;
  std::int64_t seed = 0;
  std::int64_t image_set = 0;
  std::int64_t image_sets = 1;   // how many the sweep has: the novel images of a set are those of the next
  std::map<std::string, std::string> inputs = {};   // hashes of what it reads, by name (Inputs); a worker does without
};

/// What came of a run: its measurements, or why it failed.
struct RunResult {
  RunId id;
  std::string failure;  // empty: it went well
  std::vector<Measurement> measurements;
  std::vector<Attachment> attachments;
  double seconds = 0;   // its share of the pack's time
};

/// What a metric is, for help, reports and `plan`.
struct MetricInfo {
  std::string name;
  std::vector<std::string> axes;
  std::string unit, meaning;
};

/// One figure of the report: a metric over `x`, a panel for each place in `panels`, a colour for each condition.
struct FigureInfo {
  std::string title, metric, x;                    // x: an axis of the metric
  std::string panel_axis;                          // empty: one panel
  std::vector<std::string> panels;                 // words of that axis ("first", "middle", "last"); empty: all of them
  std::map<std::string, std::string> at;           // the other axes: word to average over, e.g. {"noise", "0.3"}; "readout" is set from the definition
  std::string split_axis;                          // drawn as line style: "images" (familiar, novel); empty: none
  std::string caption;
};

/// What a run of some settings would measure: its axes with their labels, or why it is absent.
struct DeclaredMetric {
  std::string metric;
  std::vector<Axis> axes;
  std::string absent = {};
  /// Places that have no value, as NaN, where others have: their words by axis (none: all places), and why.
  struct Hole {
    std::map<std::string, std::string> at;
    std::string why;
  };
  std::vector<Hole> holes = {};
};

/// Facts of a run's inputs that its identity needs and that only opening them can tell.
struct Inputs {
  std::map<std::string, std::string> hashes;  // "slow.weights" -> XXH3-128, "images.familiar" -> ..., sorted by name
};

/// What a pack is run with. Called from the thread that computes; both may be called at any time between steps.
///
/// Where snapshots are kept, a pack saves its runs when they are due and before it leaves because it should stop, and its runs go on from what is saved:
/// whatever pack they are in then, to the bits they would have had.
struct PackContext {
  std::function<void(RunResult)> report;                 // a run is done (each run of the pack exactly once)
  std::function<bool()> should_stop;                     // true: leave by throwing Interrupted; runs not reported are run again
  std::function<void(double)> progress;                  // share of the pack that is done, in [0, 1]
  bool keep_pictures = false;
  Snapshots* snapshots = nullptr;                        // null: none are kept
};

/// What a run does and measures. One value per study, in the list of studies.cc; the functions are free functions.
struct Study {
  std::string name;
  int method_version = 1;                         // grows when the numbers of an unchanged definition would change
  std::string meaning;
  std::string unit;                               // the unit of inference: "image_set"
  bool on_gpu = false;                            // its packs compute on compute_device(); false: on the CPU, whatever is there
  KeyTable keys;
  std::vector<MetricInfo> metrics;
  std::vector<FigureInfo> figures;
  /// Axes of metrics whose place a key of the definition chooses: {"readout", "slow.readout"}. A claim that does not name such an axis is read there.
  std::map<std::string, std::string> axis_keys = {};
  /// Metrics over steps alone that fall while a run learns, and the key that says how many steps an epoch has: {"loss", "training.steps_per_epoch"}. A claim
  /// may compare conditions where these are equal.
  std::map<std::string, std::string> matchable = {};

  /// Opens what the settings name and checks that `image_sets` sets can be had; throws InputError. `image_set` < image_sets.
  Inputs (*inspect)(const Settings&, std::int64_t image_set, std::int64_t image_sets) = nullptr;
  /// Runs of equal signature may share a pack: same shapes, same operations.
  std::string (*signature)(const Settings&) = nullptr;
  /// Bytes one run of these settings needs beside what a pack shares, by measuring a small pack (the memory probe).
  std::uint64_t (*probe_memory)(const RunSpec&) = nullptr;
  /// Runs a pack; a run that fails alone is reported with its reason, the others go on.
  void (*run_pack)(const std::vector<RunSpec>&, const PackContext&) = nullptr;
  /// What a run of these settings measures: claims are held against it before the first run. Null: nothing is known before.
  std::vector<DeclaredMetric> (*declare)(const Settings&) = nullptr;
  /// Floating-point work of one run, for time estimates before anything was measured.
  double (*work)(const Settings&) = nullptr;
};

/// The studies of this program by name (studies.cc); nullptr where there is none. `planted` is always there; those that need LibTorch join by
/// add_network_studies() (network_studies.cc, the one list of them), which main calls first: what reads definitions stays free of LibTorch.
const Study* find_study(const std::string& name);
const std::vector<const Study*>& all_studies();
void add_study(const Study&);   // a study that is there already stays once
void add_network_studies();

/// `planted` (planted.cc): a study without a network whose metric is shifted by a known effect. It is what the machinery of
/// sweeps and statistics is tested with, and what a user can try a design on before it costs anything.
extern const Study kPlantedStudy;

}  // namespace palimpsest
