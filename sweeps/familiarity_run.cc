// A pack of familiarity runs, from first values to measurements. R runs, I images, V variants, L layers, Q read-outs, C width.

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include "models/trained_network.h"
#include "runtime/device.h"
#include "runtime/durable_file.h"
#include "runtime/log.h"
#include "runtime/tensor_file.h"
#include "sweeps/alike.h"
#include "sweeps/attention_picture.h"
#include "sweeps/familiarity_axes.h"
#include "sweeps/familiarity_evoked.h"
#include "sweeps/familiarity_metric.h"
#include "sweeps/familiarity_snapshot.h"
#include "sweeps/familiarity_start.h"
#include "sweeps/familiarity_training.h"
#include "sweeps/kept_networks.h"
#include "sweeps/knock_out.h"
#include "sweeps/manifold.h"

namespace palimpsest {
namespace {

enum Set { kFamiliar, kNovel };

// Large blocks go back to the heap, not to the system: each step asks for the same ones again.
void keep_heap() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

class Pack {
 public:
  explicit Pack(const std::vector<RunSpec>& runs)
      : runs_(runs),
        config_(parse_familiarity(runs_.front().settings)),
        configs_(configs()),
        read_out_(runs_.front().settings.string("slow.readout")),
        starts_(starts()),
        training_(runs_, configs_, *starts_.front().slow, compute_device()),
        metrics_(chosen_metrics(config_.metrics)) {
    const auto stack = [&](auto member) {
      std::vector<at::Tensor> all;
      for (const auto& start : starts_) all.push_back(start.*member);
      return at::stack(all).to(compute_device());
    };
    shown_[kFamiliar] = stack(&FamiliarityStart::familiar);
    shown_[kNovel] = stack(&FamiliarityStart::novel);
    if (starts_.front().reference.defined()) reference_ = stack(&FamiliarityStart::reference);
    if (config_.test_swapped) other_.emplace(runs_, configs_, *starts_.front().slow, compute_device());
    losses_ = at::full({size(), epochs()}, std::nan(""));
    failed_at_.assign(runs.size(), 0);
    seconds_.assign(runs.size(), 0);
    for (const auto& start : starts_)
      for (const auto set : {kFamiliar, kNovel}) figures_of_[set].push_back(start.figures[set]);
    for (const auto& run : runs) probes_.push_back(stream_of(run, "probes"));
  }

  const RunSpec& spec(std::size_t run) const { return runs_[run]; }
  bool is_empty() const { return runs_.empty(); }

  // Of the run that has most.
  std::int64_t epochs() const {
    std::int64_t most = 0;
    for (const auto& config : configs_) most = std::max(most, config.all_epochs());
    return most;
  }

  // One optimizer step on the clean images of the set that is learned now, all in one batch.
  void train(std::int64_t epoch) {
    const auto set = config_.second_epochs == 0 || epoch <= config_.epochs ? kFamiliar : kNovel;
    const auto loss = training_.step(learned(set, epoch), clean(set), epoch);
    losses_.select(1, epoch - 1).copy_(loss);
    note_failures(loss, epoch);
    if (!other_) return;
    const auto its = set == kFamiliar ? kNovel : kFamiliar;
    note_failures(other_->step(learned(its, epoch), clean(its), epoch), epoch);
  }

  // The first evaluation of the schedule: the memory probe's.
  void evaluate_first() { evaluate(config_.coarse.front()); }

  void evaluate(std::int64_t epoch) {
    const c10::InferenceMode no_gradient;
    const bool coarse = std::ranges::binary_search(config_.coarse, epoch),
               fine = std::ranges::binary_search(config_.fine, epoch);
    if (!coarse && !fine) return;
    const auto taken = [&](const FamiliarityMetric& metric, Set set) {
      const auto& needs = metric.needs;
      return (needs.every_manifold_epoch ? fine : coarse) && (!needs.figures || std::ranges::any_of(starts_, has_figures)) && (!needs.familiar_only || set == kFamiliar) &&
             (!needs.reference || reference_.defined());
    };
    std::vector<Taken> all;   // put down at the end: an evaluation that is left half way leaves nothing
    std::optional<SwappedFastWeights> swapped;
    if (other_) swapped.emplace(training_.network(), other_->network());
    const KnockOut tested(training_.network(), configs_);
    const auto reference = coarse && reference_.defined() ? reference_responses() : at::Tensor();   // [R, Q, L, n, C]
    for (const auto set : {kFamiliar, kNovel}) {
      Wanted needed;
      for (const auto* metric : metrics_)
        if (taken(*metric, set)) needed.features = true, needed.maps |= metric->needs.maps, needed.rebuilt |= metric->needs.rebuilt;
      if (!needed.features) continue;
      choose_readouts(needed);
      const auto seen = look(set, needed, reference);
      for (const auto* metric : metrics_)
        if (taken(*metric, set)) {
          if (should_stop()) throw Interrupted("stopped within an evaluation; it is made again");
          all.push_back({set, metric->measure(seen), metric->needs.every_manifold_epoch ? &fine_ : &coarse_});
        }
    }
    for (const auto& one : all) add(one.set, one.values, *one.course);
  }

  // All of a run's own that is not made again from its settings.
  Snapshot snapshot(std::size_t run, std::int64_t step) {
    const auto r = static_cast<std::int64_t>(run);
    Snapshot out{step, {}};
    put_learned(out, training_, r);
    if (other_) {
      Snapshot others;
      put_learned(others, *other_, r);
      for (auto& [name, part] : others.parts) out.parts.emplace(kOther + name, std::move(part));
    }
    put(out, "losses", losses_of(run));
    for (const auto* course : {&coarse_, &fine_})
      for (const auto& [metric, by_set] : *course)
        for (const auto set : {kFamiliar, kNovel})
          for (std::size_t i = 0; i < by_set[set].size(); ++i) put(out, place(course == &fine_, set, i, metric), by_set[set][i][r]);
    return out;
  }

  void go_on_from(const std::vector<Snapshot>& snapshots) {
    for (std::size_t run = 0; run < snapshots.size(); ++run) {
      const auto r = static_cast<std::int64_t>(run);
      get_learned(snapshots[run], training_, r);
      if (other_) get_learned(others_of(snapshots[run]), *other_, r);
      get_into(snapshots[run], "losses", losses_of(run));
    }
    for (const auto& [name, part] : snapshots.front().parts) {
      if (!name.starts_with("course ")) continue;
      std::vector<at::Tensor> runs;
      for (const auto& one : snapshots) runs.push_back(get(one, name));
      std::istringstream words(name);
      std::string word, metric;
      int fine = 0, set = 0;
      words >> word >> fine >> metric >> set;   // in order of their index within metric and set: places are padded with zeros
      auto& by_set = (fine ? fine_ : coarse_)[metric];
      by_set.resize(2);
      by_set[static_cast<std::size_t>(set)].push_back(at::stack(runs));
    }
  }

  // Of the clean images of both sets, [R, 2 I, 3, S, S].
  at::Tensor reconstructions() const {
    const c10::InferenceMode no_gradient;
    return rebuilt(training_.network(), at::cat({clean(kFamiliar), clean(kNovel)}, 1)).to(at::kCPU, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  }

  // Attention of the last layer to familiar images, in the read-out that figures use: clean ones and their first version under the noise that is
  // nearest to 30 %. [R, 2, I, K]
  at::Tensor attention() const {
    const c10::InferenceMode no_gradient;
    Wanted wanted{.features = true, .maps = true};
    const bool reads_class = read_out_ == "cls" && encoder().class_token;
    wanted.class_token = reads_class, wanted.patch_mean = !reads_class;
    const auto shown = at::stack({clean(kFamiliar), noisy()}, 1);
    return evoked(training_.network(), shown, wanted).maps.select(1, 0).select(1, encoder().depth - 1);
  }

  // Keeps what the untrained networks make of the images, for pictures().
  void take_first_pictures_of(const Pack& untrained) {
    first_pictures_ = untrained.reconstructions();
    first_attention_ = untrained.attention();
  }

  std::size_t count() const { return runs_.size(); }
  bool trains_two() const { return other_.has_value(); }

  // Seconds that passed are shared by the runs that are there.
  void share_time(double seconds) {
    for (auto& own : seconds_) own += seconds / static_cast<double>(runs_.size());
  }

  // The runs that have failed, or have had all their epochs.
  std::vector<std::size_t> failed() const { return those([&](std::size_t run) { return failed_at_[run] > 0; }); }
  std::vector<std::size_t> finished(std::int64_t epoch) const {
    return those([&](std::size_t run) { return configs_[run].all_epochs() == epoch; });
  }

  // Takes runs out of the pack: they cost nothing from here on, and to the others nothing changes.
  void remove(const std::vector<std::size_t>& runs) {
    if (runs.empty()) return;
    std::vector<std::int64_t> rest;
    for (std::int64_t r = 0; r < size(); ++r)
      if (std::ranges::find(runs, static_cast<std::size_t>(r)) == runs.end()) rest.push_back(r);
    const auto keep = [&]<class T>(std::vector<T>& values) {
      std::vector<T> kept;
      for (const auto r : rest) kept.push_back(std::move(values[static_cast<std::size_t>(r)]));
      values = std::move(kept);
    };
    keep(runs_), keep(configs_), keep(starts_), keep(probes_), keep(failed_at_), keep(seconds_);
    for (auto& figures : figures_of_) keep(figures);
    if (rest.empty()) return;
    training_.keep_runs(rest);
    if (other_) other_->keep_runs(rest);
    const auto places = at::tensor(rest, at::kLong);
    for (auto* own : {&shown_[kFamiliar], &shown_[kNovel], &reference_, &losses_, &first_pictures_, &first_attention_})
      if (own->defined()) *own = own->index_select(0, places.to(own->device()));
    for (auto* course : {&coarse_, &fine_})
      for (auto& [metric, by_set] : *course)
        for (auto& epochs : by_set)
          for (auto& values : epochs) values = values.index_select(0, places);
  }

  RunResult result(std::size_t run) const {
    RunResult out{runs_[run].id, "", {}, {}, seconds_[run]};
    const auto& config = configs_[run];
    const auto step = failed_at_[run] ? failed_at_[run] : is_finite(run) ? 0 : config.all_epochs();
    if (step) {
      out.failure = fmt::format("the loss is not finite at step {}; a lower training.learning_rate may help", step);
      return out;
    }
    out.measurements.push_back(
        measurement("loss", loss_axes(config), losses_of(run)));
    for (const auto* course : {&coarse_, &fine_})
      for (const auto& [metric, by_set] : *course) {
        const auto of_run = [&](Set set) { return at::stack(by_set[set]).select(1, static_cast<std::int64_t>(run)); };   // [epoch, ...]
        const auto& file = file_of(metric);
        if (file.needs.figures && !has_figures(starts_[run])) continue;
        const auto& info = *std::ranges::find(file.values, metric, &MetricInfo::name);
        const bool both = info.axes.front() == "images";
        const auto own = both ? at::stack({of_run(kFamiliar), of_run(kNovel)}) : of_run(kFamiliar);
        out.measurements.push_back(measurement(metric, familiarity_axes(file, info, config, encoder()), own));
      }
    return out;
  }

  void keep_network(std::size_t run) const {
    const auto file = kept_network_of(runs_[run].id);
    if (!configs_[run].keep_trained || file.empty()) return;
    prepare_folder(file.parent_path());
    write_network(run, file);
  }

  // What training made of a run's network, whatever it is tested with.
  void write_network(std::size_t run, const std::filesystem::path& file) const {
    const auto& config = configs_[run];
    auto trained = trained_network(training_.network(), *starts_[run].slow, static_cast<std::int64_t>(run), config.rank);
    trained.slow.metadata.erase("content");  // of the file that training began with
    trained.slow.metadata["run"] = runs_[run].id;
    if (config.double_projection) trained.slow.metadata["double_projection"] = "true";
    write_adapted_weights(file, trained);
  }

  // Rows: clean images before and after training, noisy ones before and after; the figure's outline where there are masks.
  Attachment attention_over_images(std::size_t run, const at::Tensor& now) const {
    const auto r = static_cast<std::int64_t>(run);
    const auto plain = clean(kFamiliar)[r].to(at::kCPU), changed = noisy()[r].to(at::kCPU);
    return {"attention.png", "image/png",
            encode_png(attention_picture({{plain, first_attention_[r][0]}, {plain, now[r][0]}, {changed, first_attention_[r][1]}, {changed, now[r][1]}},
                                         starts_[run].masks))};
  }

  // Rows: the images, their reconstruction before and after training; familiar ones left, novel ones right.
  Attachment picture(std::size_t run, const at::Tensor& now) const {
    const auto r = static_cast<std::int64_t>(run);
    const auto originals = at::cat({clean(kFamiliar), clean(kNovel)}, 1)[r].to(at::kCPU);
    const auto row = [](const at::Tensor& images) { return at::cat(images.unbind(0), 2); };
    const auto grid = at::cat({row(originals), row(first_pictures_[r]), row(now[r])}, 1);
    return {"reconstruction.png", "image/png", encode_png(to_image(grid))};
  }

  // Asked often while it trains and evaluates; where it says so, Interrupted is thrown and nothing has changed.
  std::function<bool()> should_stop = [] { return false; };

 private:
  static constexpr const char* kOther = "other ";  // parts of the network that learns the other images

  static Snapshot others_of(const Snapshot& snapshot) {
    Snapshot out{snapshot.step, {}};
    for (const auto& [name, part] : snapshot.parts)
      if (name.starts_with(kOther)) out.parts.emplace(name.substr(std::strlen(kOther)), part);
    return out;
  }

  // [steps], a view
  at::Tensor losses_of(std::size_t run) const { return losses_[static_cast<std::int64_t>(run)].slice(0, 0, configs_[run].all_epochs()); }

  static std::string place(bool fine, int set, std::size_t index, const std::string& metric) {
    return fmt::format("course {} {} {} {:09}", int{fine}, metric, set, index);
  }

  using Course =
      std::map<std::string, std::vector<std::vector<at::Tensor>>>;  // metric -> set -> one tensor [R, ...] an epoch

  struct Taken {
    Set set;
    MetricValues values;
    Course* course;
  };

  std::int64_t size() const { return static_cast<std::int64_t>(runs_.size()); }
  const VitConfig& encoder() const { return training_.network().encoder.config(); }
  at::Tensor clean(Set set) const { return shown_[set].select(1, 0); }  // [R, I, 3, S, S]

  // Familiar images under the first pattern of the level nearest to 30 %: variants are level by level. [R, I, 3, S, S]
  at::Tensor noisy() const {
    std::size_t nearest = config_.noise.levels.size() > 1 ? 1 : 0;
    for (std::size_t level = 1; level < config_.noise.levels.size(); ++level)
      if (std::abs(config_.noise.levels[level] - 0.3) < std::abs(config_.noise.levels[nearest] - 0.3)) nearest = level;
    return shown_[kFamiliar].select(1, nearest == 0 ? 0 : 1 + (static_cast<std::int64_t>(nearest) - 1) * config_.noise.patterns);
  }

  std::vector<FamiliarityConfig> configs() const {
    std::vector<FamiliarityConfig> out;
    for (const auto& run : runs_) out.push_back(parse_familiarity(run.settings));
    return out;
  }

  std::vector<FamiliarityStart> starts() const {
    std::vector<FamiliarityStart> out;
    for (std::size_t r = 0; r < runs_.size(); ++r) out.push_back(start_of(runs_[r], configs_[r]));
    return out;
  }

  // What the network is shown when it learns: the clean images, or noise of the epoch over them. [R, I, 3, S, S]
  at::Tensor learned(Set set, std::int64_t epoch) const {
    if (std::ranges::all_of(configs_, [](const auto& c) { return c.training_noise == 0; })) return clean(set);
    std::vector<at::Tensor> all;
    for (std::size_t r = 0; r < runs_.size(); ++r)
      all.push_back(configs_[r].training_noise == 0
                        ? clean(set)[static_cast<std::int64_t>(r)]
                        : training_images(runs_[r], configs_[r], set, stream_of(runs_[r], "training noise", epoch)).to(compute_device()));
    return at::stack(all);
  }

  void choose_readouts(Wanted& wanted) const {
    const auto names = measured_readouts(config_, encoder());
    wanted.class_token = std::ranges::count(names, "cls") > 0;
    wanted.patch_mean = std::ranges::count(names, "mean") > 0;
  }

  std::vector<std::size_t> those(const auto& holds) const {
    std::vector<std::size_t> out;
    for (std::size_t run = 0; run < runs_.size(); ++run)
      if (holds(run)) out.push_back(run);
    return out;
  }

  void note_failures(const at::Tensor& loss, std::int64_t epoch) {
    for (std::int64_t r = 0; r < size(); ++r)
      if (failed_at_[r] == 0 && !std::isfinite(loss[r].item<float>())) failed_at_[r] = epoch;
  }

  bool is_finite(std::size_t run) const { return training_.is_finite(run) && (!other_ || other_->is_finite(run)); }

  at::Tensor reference_responses() const {
    Wanted needed{.features = true};
    choose_readouts(needed);
    return evoked(training_.network(), reference_.unsqueeze(1), needed).features.select(3, 0);
  }

  Seen look(Set set, const Wanted& needed, const at::Tensor& reference) const {
    const auto heard = evoked(training_.network(), shown_[set], needed);
    const auto levels = static_cast<std::int64_t>(config_.noise.levels.size()), patterns = config_.noise.patterns;
    Seen seen;
    seen.features = by_level(heard.features, levels, patterns);
    if (needed.maps) seen.maps = by_level(heard.maps, levels, patterns);
    seen.rebuilt = heard.rebuilt;
    seen.clean = clean(set).to(at::kCPU);
    seen.reference = reference;
    if (reference.defined() && config_.centre_on_reference) seen.centre = reference.transpose(3, 4).contiguous().mean(-1);
    seen.figures = &figures_of_[set];
    seen.probes = &probes_;
    seen.grid = encoder().grid();
    seen.side = encoder().side;
    seen.unbiased = config_.unbiased;
    seen.leave_out = config_.leave_out;
    return seen;
  }

  // Keeps what was asked for of it.
  void add(Set set, const MetricValues& values, Course& course) {
    for (const auto& [metric, tensor] : values) {
      if (!is_chosen(config_.metrics, metric)) continue;
      auto& by_set = course[metric];
      by_set.resize(2);
      by_set[set].push_back(tensor);
    }
  }

  // Masks for all its images: each run by itself, so that what it measures does not depend on its company.
  static bool has_figures(const FamiliarityStart& start) { return !start.figures[kFamiliar].empty() && !start.figures[kNovel].empty(); }

  const FamiliarityMetric& file_of(const std::string& metric) const {
    for (const auto* file : metrics_)
      if (std::ranges::any_of(file->values, [&](const auto& value) { return value.name == metric; })) return *file;
    throw std::logic_error("a measurement without its entry: " + metric);
  }

  static Measurement measurement(const std::string& metric, std::vector<Axis> axes, const at::Tensor& values) {
    const auto flat = values.to(at::kFloat).contiguous();
    return {metric, std::move(axes), {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()}};
  }

  std::vector<RunSpec> runs_;
  FamiliarityConfig config_;  // of the first run there was: what the signature holds is common to all
  std::vector<FamiliarityConfig> configs_;  // of each run
  const std::string read_out_;
  std::vector<FamiliarityStart> starts_;
  FamiliarityTraining training_;
  std::optional<FamiliarityTraining> other_;  // learns the novel images, where fast weights are swapped
  std::vector<const FamiliarityMetric*> metrics_;
  at::Tensor shown_[2], reference_, losses_, first_pictures_, first_attention_;
  std::vector<std::vector<FigureOverlap>> figures_of_[2];
  std::vector<RandomStream> probes_;
  std::vector<std::int64_t> failed_at_;  // step; 0: it has not
  std::vector<double> seconds_;
  Course coarse_, fine_;
};

// Seconds since it was asked before.
class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// The first run of a condition shows its reconstructions in the report.
bool shows_pictures(const RunSpec& run) { return run.seed == 0 && run.image_set == 0; }

std::uint64_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
  return 0;
}

// Steps of a pack: 2 e is "before training epoch e", 2 e + 1 "before evaluating it", so that neither is made twice. Runs that fail or have had
// all their epochs leave it with their results.
class PackAtWork {
 public:
  PackAtWork(const Alike& alike, const PackContext& context, double share_before, double share)
      : alike_(alike), context_(context), share_before_(share_before), share_(share), pack_(alike.runs), epochs_(pack_.epochs()) {
    pack_.should_stop = context.should_stop;
    if (alike.snapshots.empty()) return;
    pack_.go_on_from(alike.snapshots);
    step_ = saved_ = alike.snapshots.front().step;
  }

  void run() {
    StopBetweenBlocks between(context_.should_stop);
    std::optional<BlockRunnerScope> scope;
    if (!pack_.trains_two()) scope.emplace(&between);  // two steps are made together, or none
    if (std::ranges::any_of(alike_.runs, [&](const RunSpec& run) { return shows(run); })) take_first_pictures();
    while (!pack_.is_empty()) {
      save_where_due();
      make_step();
      ++step_;
      context_.progress(share_before_ + share_ * static_cast<double>(step_ / 2) / static_cast<double>(epochs_ + 1));
    }
  }

 private:
  bool shows(const RunSpec& run) const { return context_.keep_pictures || shows_pictures(run); }

  // A pack that goes on has trained since: what it would have shown at first is made by another one.
  void take_first_pictures() {
    if (saved_ == 0) pack_.take_first_pictures_of(pack_);
    else pack_.take_first_pictures_of(Pack(alike_.runs));
  }

  void make_step() {
    const auto epoch = step_ / 2;
    or_save([&] {
      if (context_.should_stop()) throw Interrupted("stopped within a pack; its runs are run again");
      if (step_ % 2 == 1)
        pack_.evaluate(epoch);
      else if (epoch > 0)
        pack_.train(epoch);
    });
    take_leave(step_ % 2 == 1 ? pack_.finished(epoch) : pack_.failed());
  }

  void take_leave(const std::vector<std::size_t>& leaving) {
    if (leaving.empty()) return;
    pack_.share_time(stopwatch_.lap());
    at::Tensor pictures, attention;
    for (const auto run : leaving) {
      auto result = pack_.result(run);
      const auto& spec = pack_.spec(run);
      if (result.failure.empty()) pack_.keep_network(run);
      if (result.failure.empty() && shows(spec)) {
        if (!pictures.defined()) pictures = pack_.reconstructions(), attention = pack_.attention();
        result.attachments.push_back(pack_.picture(run, pictures));
        result.attachments.push_back(pack_.attention_over_images(run, attention));
      }
      context_.report(std::move(result));
    }
    pack_.remove(leaving);
  }

  template <class Work>
  void or_save(Work work) {
    try {
      work();
    } catch (const Interrupted&) {
      save();
      throw;
    }
  }

  void save_where_due() {
    if (context_.snapshots && context_.snapshots->due()) save();
  }
  void save() {
    if (!context_.snapshots || step_ < 2 || step_ == saved_) return;
    for (std::size_t run = 0; run < pack_.count(); ++run) context_.snapshots->save(pack_.spec(run).id, pack_.snapshot(run, step_));
    saved_ = step_;
  }

  const Alike& alike_;
  const PackContext& context_;
  const double share_before_, share_;
  Pack pack_;
  const std::int64_t epochs_;
  Stopwatch stopwatch_;
  std::int64_t step_ = 0, saved_ = 0;
};

// A snapshot that does not fit, of another build perhaps, means beginning anew.
std::unique_ptr<PackAtWork> begun(Alike& alike, const PackContext& context, double share_before, double share) {
  try {
    return std::make_unique<PackAtWork>(alike, context, share_before, share);
  } catch (const InputError& error) {
    log().warn("{} runs begin anew: {}", alike.runs.size(), error.what());
    alike.snapshots.clear();
    return std::make_unique<PackAtWork>(alike, context, share_before, share);
  }
}

}  // namespace

void run_familiarity_pack(const std::vector<RunSpec>& runs, const PackContext& context) {
  at::set_num_threads(1);  // a pack computes on one thread, a worker per core: equal bits, and no fight for cores
  keep_heap();
  double before = 0;
  for (Alike& together : alike(runs, context.snapshots)) {
    const auto share = static_cast<double>(together.runs.size()) / static_cast<double>(runs.size());
    begun(together, context, before, share)->run();
    before += share;
  }
}

void train_familiarity_again(const RunSpec& run, const std::filesystem::path& file, const PackContext& context) {
  at::set_num_threads(1);
  keep_heap();
  Pack pack({run});
  for (std::int64_t epoch = 1; epoch <= pack.epochs(); ++epoch) {
    if (context.should_stop()) throw Interrupted("stopped while a run was trained again");
    pack.train(epoch);
    context.progress(static_cast<double>(epoch) / static_cast<double>(pack.epochs()));
  }
  if (const auto result = pack.result(0); !result.failure.empty()) throw InputError(fmt::format("run {}: {}", run.id, result.failure));
  pack.write_network(0, file);
}

std::uint64_t probe_familiarity_memory(const RunSpec& run) {
  at::set_num_threads(1);
  keep_heap();
  malloc_trim(0);  // what the probe before left
  const auto device = compute_device();
  const auto peak = [&] { return device.is_cpu() ? peak_memory() : peak_memory(device); };
  if (device.is_cpu())
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak starts from here
  else
    forget_peak(device);
  const auto base = peak();
  {
    const std::vector<RunSpec> alone = {run};
    Pack pack(alone);
    pack.train(1);
    pack.evaluate_first();
  }
  return std::max<std::uint64_t>(peak() - base, std::uint64_t{1} << 20);
}

}  // namespace palimpsest
