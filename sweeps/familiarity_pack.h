#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/adapted_weights.h"
#include "sweeps/familiarity_evoked.h"
#include "sweeps/familiarity_metric.h"
#include "sweeps/familiarity_start.h"
#include "sweeps/familiarity_training.h"
#include "sweeps/snapshot.h"

namespace palimpsest {

/// The runs of a pack while they learn and are measured. R runs, I images, V variants, L layers, Q read-outs, C width, K patches.
class FamiliarityPack {
 public:
  enum Set { kFamiliar, kNovel };

  explicit FamiliarityPack(const std::vector<RunSpec>& runs);

  std::size_t count() const { return runs_.size(); }
  bool is_empty() const { return runs_.empty(); }
  const RunSpec& spec(std::size_t run) const { return runs_[run]; }
  std::int64_t epochs() const;         // of the run that has most
  /// Whether an epoch of training is one step, which can be left half way; several are made together, or none.
  bool trains_by_one_step() const { return !other_ && config_.steps_per_epoch == 1; }

  /// Whether training keeps the memory of a step from one to the next.
  bool records_steps() const { return training_.records_steps(); }
  int networks() const { return other_ ? 2 : 1; }   // that learn

  /// Asked often while it trains and evaluates; where it says so, Interrupted is thrown and nothing has changed but by whole steps of an epoch.
  std::function<bool()> should_stop = [] { return false; };

  /// The optimizer steps of an epoch on the images of the set that is learned now.
  void train(std::int64_t epoch);
  /// Takes the measurements that the schedule has at this epoch.
  void evaluate(std::int64_t epoch);
  void evaluate_first();               // the first evaluation of the schedule: the memory probe's

  /// The runs that have failed, or have had all their epochs.
  std::vector<std::size_t> failed() const;
  std::vector<std::size_t> finished(std::int64_t epoch) const;
  /// Takes runs out of the pack: they cost nothing from here on, and to the others nothing changes.
  void remove(const std::vector<std::size_t>& runs);
  /// Seconds that passed are shared by the runs that are there.
  void share_time(double seconds);

  /// All of a run's own that is not made again from its settings, before this step of the study's count.
  Snapshot snapshot(std::size_t run, std::int64_t step);
  /// One of each run, of the same step. Throws InputError where one does not fit.
  void go_on_from(const std::vector<Snapshot>& snapshots);

  RunResult result(std::size_t run) const;
  void keep_network(std::size_t run) const;   // or a part of it, where the run asks for it
  /// What training made of a run's network, whatever it is tested with.
  void write_network(std::size_t run, const std::filesystem::path& file) const;

  /// Reconstructions of the clean images of both sets, [R, 2 I, 3, S, S].
  at::Tensor reconstructions() const;
  /// Attention of the last layer to familiar images, in the read-out that figures use: clean ones and their first version under the noise that is
  /// nearest to 30 %. [R, 2, I, K]
  at::Tensor attention() const;
  /// Keeps what untrained networks make of the images, for the pictures.
  void take_first_pictures_of(const FamiliarityPack& untrained);
  /// Rows: the images, their reconstruction before training and now; familiar ones left, novel ones right.
  Attachment picture(std::size_t run, const at::Tensor& reconstructions) const;
  /// Rows: clean images before training and now, noisy ones before and now; the figure's outline where there are masks.
  Attachment attention_over_images(std::size_t run, const at::Tensor& attention) const;

 private:
  using Course = std::map<std::string, std::vector<std::vector<at::Tensor>>>;  // metric -> set -> one tensor [R, ...] an epoch
  struct Taken {
    Set set;
    MetricValues values;
    Course* course;
  };

  std::int64_t size() const { return static_cast<std::int64_t>(runs_.size()); }
  const VitConfig& encoder() const { return training_.network().encoder.config(); }
  at::Tensor clean(Set set) const { return shown_[set].select(1, 0); }  // [R, I, 3, S, S]
  at::Tensor noisy() const;
  std::vector<FamiliarityConfig> configs() const;
  std::vector<FamiliarityStart> starts() const;
  at::Tensor learned(Set set, std::int64_t epoch) const;
  void learn(FamiliarityTraining& training, Set set, std::int64_t epoch, at::Tensor* losses);
  at::Tensor batches(std::int64_t epoch) const;
  void note_failures(const at::Tensor& loss, std::int64_t step);
  bool is_finite(std::size_t run) const;
  /// Masks for all its images: each run by itself, so that what it measures does not depend on its company.
  static bool has_figures(const FamiliarityStart& start) { return !start.figures[kFamiliar].empty() && !start.figures[kNovel].empty(); }
  std::vector<ReadOut> readouts() const;
  at::Tensor reference_responses() const;
  std::vector<RandomStream> probes_at(std::int64_t epoch) const;
  Seen look(Set set, const Wanted& needed, const at::Tensor& reference) const;
  void add(Set set, const MetricValues& values, Course& course);
  at::Tensor losses_of(std::size_t run) const;
  AdaptedWeights network_of(std::size_t run) const;
  const FamiliarityMetric& file_of(const std::string& metric) const;

  std::vector<RunSpec> runs_;
  FamiliarityConfig config_;  // of the first run there was: what the signature holds is common to all
  std::vector<FamiliarityConfig> configs_;  // of each run
  const std::string read_out_;
  std::vector<FamiliarityStart> starts_;
  FamiliarityTraining training_;
  std::optional<FamiliarityTraining> other_;  // learns the novel images, where fast weights are swapped
  std::vector<const FamiliarityMetric*> metrics_;
  at::Tensor shown_[2], figure_[2], reference_, reference_figure_, losses_, first_pictures_, first_attention_;
  std::vector<std::vector<FigureOverlap>> figures_of_[2];
  std::vector<std::int64_t> failed_at_;  // step; 0: it has not
  std::vector<double> seconds_;
  Course coarse_, fine_;
};

}  // namespace palimpsest
