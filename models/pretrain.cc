#include "models/pretrain.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <future>
#include <numeric>
#include <utility>

#include "models/first_not_finite.h"
#include "models/objective.h"
#include "models/picture_grid.h"
#include "models/pretrain_options.h"
#include "models/pretraining_images.h"
#include "models/replicas.h"
#include "models/run_facts.h"
#include "models/schedule.h"
#include "models/training_events.h"
#include "models/validation.h"
#include "runtime/agree.h"
#include "runtime/checkpoint_writer.h"
#include "runtime/device.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/gemm_rate.h"
#include "runtime/host_memory.h"
#include "runtime/log.h"
#include "runtime/precision.h"
#include "runtime/progress.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kPictures = 8;
constexpr std::int64_t kSoon = 20;   // steps: a run that diverges so soon after it went on had diverged before
constexpr const char* kLossesHeader = "step,loss,validation,learning_rate\n";

class Pretraining {
 public:
  Pretraining(const Settings& settings, Communicator& world, CommunicationThread& thread, const PretrainOptions& options, const PretrainingImages& images,
              Replicas& replicas)
      : settings_(settings),
        world_(world),
        options_(options),
        replicas_(replicas),
        training_(replicas, world, thread, sharding_options(settings, world, options)),
        state_(training_.state()),
        loader_(*images.training, loader_options(settings, replicas.first(), world, options)),
        validation_(images.validation, settings.integer("training.batch"), world, replicas.crew(),
                    replicas.first().compares_images() ? std::optional(crop_range(settings)) : std::nullopt, options.device),
        checkpoints_(world, options.out / "checkpoints",
                     {.newest = static_cast<int>(settings.integer("training.keep_checkpoints")), .every = settings.integer("training.keep_every")},
                     [](const std::string& what) { log().warn(what); }),
        schedule_{settings.number("training.learning_rate"), settings.integer("training.warmup_steps"), settings.integer("training.steps")},
        facts_(run_facts(settings, images)) {}

  PretrainResult run() {
    result_.baselines = validation_.baselines(replicas_.first());
    resume();
    const double floor = measured_floor();
    if (leads()) begin(floor);
    const auto batch = settings_.integer("training.batch");
    std::optional<Progress> progress;
    if (leads()) progress.emplace("pretraining", schedule_.steps * batch, "images");
    recorded_ = Clock::now();
    while (state_.step < schedule_.steps) {
      const float loss = step();
      if (progress) progress->update(state_.step * batch, fmt::format("step {}, loss {:.4f}", state_.step, loss));
    }
    if (progress) progress->finish();
    if (leads()) tell_speed();
    return finish();
  }

 private:
  static double milliseconds_since(Clock::time_point begun) { return std::chrono::duration<double, std::milli>(Clock::now() - begun).count(); }

  bool leads() const { return world_.rank() == 0; }
  fs::path checkpoint_folder() const { return options_.out / "checkpoints"; }

  // The first rank chooses the checkpoint; each takes its share of it.
  void resume() {
    std::string folder;
    std::vector<double> step = {0};
    agree(world_, [&] {
      if (!leads()) return;
      const auto found = newest_checkpoint(checkpoint_folder(), [](const std::string& reason) { log().warn(reason); });
      if (!found) return;
      refuse_another_run(found->folder);
      folder = found->folder.string();
      step[0] = static_cast<double>(found->step);
    });
    folder = text_of_rank(world_, 0, folder);
    const auto newest = static_cast<std::int64_t>(sum_over_ranks(world_, step)[0]);
    if (folder.empty()) return;
    refuse_another_checkpoint(folder);
    agree(world_, [&] { state_.read(folder, newest); });
    checkpoints_.set_newest(newest);
    begun_from_ = newest;
    if (!leads()) return;
    log().info("goes on from step {} ({})", newest, folder);
    if (const std::string change = change_of_device(recorded_facts(folder), options_.device); !change.empty()) log().warn(change);
  }

  // A rank on another host may see another disk under this path. The first has looked at every file of its own.
  void refuse_another_checkpoint(const fs::path& folder) const {
    std::string manifest;
    agree(world_, [&] {
      if (const auto flaw = leads() ? std::string() : checkpoint_flaw(folder); !flaw.empty())
        throw InputError(fmt::format("{}: this checkpoint is not whole here: {}. All ranks need one folder for --out, or equal copies of it.", folder.string(), flaw));
      manifest = checkpoint_hash(folder);
    });
    refuse_disagreement(world_, {{"checkpoint " + folder.string(), manifest}});
  }

  void refuse_another_run(const fs::path& checkpoint) const {
    const std::string other = difference(recorded_facts(checkpoint), facts_);
    if (other.empty()) return;
    if (!options_.accept_changes)
      throw InputError(fmt::format("{} holds a run with other {}. Give another folder to --out, remove this one to start anew, or go on nevertheless with --accept-changes.",
                                   options_.out.string(), other));
    log().warn("goes on although the run there has other {}", other);
  }

  // FLOP/s of matrix products over all ranks, while all are at it.
  double measured_floor() {
    auto rate = at::full({1}, options_.device.is_cpu() ? gemm_rate(replicas_.crew()) : gemm_rate(options_.device, type_of_compute(settings_)), at::kFloat);
    world_.all_reduce(rate, Reduction::kSum);
    return rate.item<double>();
  }

  void tell_speed() const {
    const Speed speed = events_->speed();
    if (speed.images_per_second > 0)
      log().info("{:.0f} images/s, {:.0f} % of the rate of matrix products here; waited for images {:.1f} % of the time",
                 speed.images_per_second, 100 * speed.share_of_floor, 100 * speed.waited_share);
  }

  void begin(double floor) {
    if (state_.losses.empty()) state_.losses = kLossesHeader;
    write_durably(options_.out / "definition.toml", definition_text(settings_));
    write_durably(options_.out / "losses.csv", state_.losses);   // without what came after the checkpoint
    losses_.open(options_.out / "losses.csv", std::ios::app);
    events_.emplace(options_.out / "events", state_.step,
                    TrainingEvents::Options{.every = settings_.integer("training.events_every"),
                                            .batch = settings_.integer("training.batch"),
                                            .flops_per_image = replicas_.first().flops_per_image(),
                                            .floor = floor});
    for (const auto& [name, loss] : result_.baselines) log().info("baseline: {} {:.4f}", name, loss);
  }

  // One update. Returns the loss of the whole batch before it.
  float step() {
    const double waited = loader_.waited();
    const Batch batch = on_device(loader_.batch(state_.step));
    training_.backward(batch);
    // What must be decided by all alike: one small collective.
    const auto votes = checkpoints_.votes();
    const auto sums = sum_over_ranks(world_, {training_.loss(), options_.should_stop && options_.should_stop() ? 1.0 : 0.0, checkpoint_due() ? 1.0 : 0.0,
                                              votes.written, votes.failed, training_.squares()});
    const auto loss = static_cast<float>(sums[0]);
    const bool stop = sums[1] > 0, due = sums[2] > 0;
    const double norm = std::sqrt(sums[5]), largest = settings_.number("training.clip");
    if (!std::isfinite(loss) || !std::isfinite(norm)) refuse_nan(fmt::format("the loss of step {}", state_.step + 1), batch);
    checkpoints_.settle({.written = sums[3], .failed = sums[4]});   // only now: no checkpoint is sealed whose weights give no finite loss
    if (stop && state_.step + 1 < schedule_.steps) leave();
    const double rate = schedule_.at(state_.step);
    wait_for_copy();
    training_.update(largest > 0 && norm > largest ? largest / norm : 1, rate);
    record({.step = state_.step, .loss = loss, .learning_rate = rate, .gradient_norm = norm, .waited = loader_.waited() - waited});
    if (due) checkpoint();
    return loss;
  }

  // Copies that the host need not wait for: the loader's memory is pinned, and LibTorch keeps it until they are through.
  Batch on_device(Batch batch) const {
    batch.images = batch.images.to(options_.device, /*non_blocking=*/true);
    if (batch.second.defined()) batch.second = batch.second.to(options_.device, /*non_blocking=*/true);
    return batch;
  }

  // Asked before the step after which the checkpoint would be written. The clock is rank 0's.
  bool checkpoint_due() const {
    if (!leads()) return false;
    const auto every = settings_.integer("training.checkpoint_steps");
    const double minutes = settings_.number("training.checkpoint_minutes");
    return (every > 0 && (state_.step + 1) % every == 0) ||
           (minutes > 0 && checkpoints_.idle() && Clock::now() - written_ > std::chrono::duration<double>(60 * minutes));
  }

  // With the weights before an update, which have just given a finite loss.
  [[noreturn]] void leave() {
    checkpoints_.finish();
    if (checkpoints_.newest() != state_.step) checkpoint();
    checkpoints_.finish();
    const std::string kept = state_.step == 0 ? "nothing was learned yet"
                             : checkpoints_.newest() == state_.step ? "a checkpoint is in " + checkpoint_folder().string()
                             : checkpoints_.newest() > 0 ? fmt::format("no checkpoint of it could be written, and that of step {} is kept in {}", checkpoints_.newest(), checkpoint_folder().string())
                                                         : "no checkpoint could be written";
    throw Interrupted(fmt::format("stopped at step {} of {}; {}. Run the same command again to resume.", state_.step, schedule_.steps, kept));
  }

  [[noreturn]] void refuse_nan(const std::string& number, const Batch& batch) {
    const std::string where = first_not_finite(training_, replicas_.first(), batch, world_);
    checkpoints_.give_up(state_.step);   // it would hold these weights
    checkpoints_.finish();
    throw Error(fmt::format("{} is no number: training diverged. The first that is not finite is {}. The learning rate was {}. {}, or raise training.warmup_steps.",
                            number, where, settings_.number("training.learning_rate"), how_to_go_on()));
  }

  std::string how_to_go_on() const {
    const std::string lower = fmt::format("--set training.learning_rate={:.3g}", settings_.number("training.learning_rate") / 3);
    const auto newest = checkpoints_.newest();
    if (newest == 0) return "No checkpoint was written yet: start again with " + lower;
    if (begun_from_ > 0 && state_.step - begun_from_ < kSoon)
      return fmt::format("It had gone on from the checkpoint of step {}, whose weights do not recover: give --out another folder and start again with {}, or remove checkpoints from {} to go on from an earlier one",
                         begun_from_, lower, checkpoint_folder().string());
    return fmt::format("Go on from the checkpoint of step {} with a lower one: the same command with {} --accept-changes", newest, lower);
  }

  void record(StepFacts facts) {
    const bool measured = state_.step % settings_.integer("validation.every") == 0 || state_.step == schedule_.steps;
    const double validation = measured ? validation_loss() : 0;
    if (measured) show_pictures();
    if (!leads()) return;
    const auto now = Clock::now();
    facts.seconds = std::chrono::duration<double>(now - std::exchange(recorded_, now)).count();
    events_->step(facts);
    if (measured) events_->validation(state_.step, validation);
    const std::string line = fmt::format("{},{},{},{}\n", state_.step, static_cast<float>(facts.loss), measured ? fmt::format("{}", static_cast<float>(validation)) : "",
                                         static_cast<float>(facts.learning_rate));
    state_.losses += line;
    losses_ << line;
    if (measured) losses_.flush();
  }

  double validation_loss() {
    const ShardedTraining::Evaluation evaluation(training_);
    return validation_.loss(replicas_.first());
  }

  // Training stands still where the checkpoint before is not yet through; all else happens beside it.
  void checkpoint() {
    const auto begun = Clock::now();
    checkpoints_.finish();
    const auto snapshot = std::make_shared<TrainingState::Snapshot>(state_.snapshot(with_sharding(with_device(facts_, options_.device), settings_)));
    checkpoints_.begin(state_.step, [snapshot] { snapshot->copy(); }, [snapshot, leads = leads(), losses = leads() ? state_.losses : std::string()](const fs::path& folder) {
      snapshot->write(folder);
      if (leads) write_durably(folder / "losses.csv", losses);
    });
    stalls_.push_back(milliseconds_since(begun));
    written_ = Clock::now();
  }

  void wait_for_copy() {
    const auto begun = Clock::now();
    checkpoints_.wait_for_copy();
    if (!stalls_.empty()) stalls_.back() += milliseconds_since(begun);
  }

  // The first rank shows them; where blocks have to be gathered for it, all compute.
  void show_pictures() {
    if (!leads() && !training_.evaluates_together()) return;
    const c10::NoGradGuard no_gradient;
    const ShardedTraining::Evaluation evaluation(training_);
    const auto pictures = replicas_.first().pictures(validation_.first(kPictures));
    if (!leads()) return;
    const Image grid = picture_grid(pictures);
    events_->pictures(state_.step, grid);
    drawn_ = std::async(std::launch::async, draw, options_.out / "pictures" / fmt::format("step-{}.png", state_.step), grid);
  }

  static void draw(const fs::path& file, const Image& grid) {
    try {
      fs::create_directories(file.parent_path());
      write_png(file, grid);
    } catch (const std::exception& error) {
      log().warn("{} is left out, and training goes on. {}", file.string(), error.what());
    }
  }

  PretrainResult finish() {
    result_.steps = state_.step;
    result_.validation_loss = validation_loss();
    if (!std::isfinite(result_.validation_loss)) refuse_nan(fmt::format("the validation loss after step {}", state_.step), validation_.first(settings_.integer("training.batch")));
    checkpoints_.finish();
    if (checkpoints_.newest() != state_.step) checkpoint();
    checkpoints_.finish();
    if (leads() && !stalls_.empty())
      log().info("checkpoints: {} begun, for which training stood still {:.2f} ms each", stalls_.size(), std::accumulate(stalls_.begin(), stalls_.end(), 0.0) / std::ssize(stalls_));
    const SlowWeights weights = training_.whole_weights();
    agree(world_, [&] {
      if (leads()) write_weights(weights);
    });
    return result_;
  }

  void write_weights(SlowWeights weights) const {
    weights.metadata = facts_;
    weights.metadata["steps"] = std::to_string(result_.steps);
    weights.metadata["validation_loss"] = fmt::format("{}", result_.validation_loss);
    for (const auto& [name, loss] : result_.baselines) weights.metadata["baseline: " + name] = fmt::format("{}", loss);
    write_slow_weights(options_.out / "weights.safetensors", weights);
  }

  const Settings& settings_;
  Communicator& world_;
  const PretrainOptions& options_;
  Replicas& replicas_;
  ShardedTraining training_;
  TrainingState& state_;
  BatchLoader loader_;
  const Validation validation_;
  CheckpointWriter checkpoints_;
  const Schedule schedule_;
  const RunFacts facts_;
  PretrainResult result_;
  std::ofstream losses_;
  std::optional<TrainingEvents> events_;              // of rank 0
  std::int64_t begun_from_ = 0;                       // step of the checkpoint it went on from
  std::vector<double> stalls_;                        // ms: how long training stood still for each checkpoint
  Clock::time_point written_ = Clock::now(), recorded_ = written_;   // the last checkpoint, the last step
  std::future<void> drawn_;                           // the last pictures, once they are on disk
};

}  // namespace

PretrainResult pretrain(const Settings& settings, Communicator& ranks, const PretrainOptions& options) {
  keep_freed_memory();
  CommunicationThread thread(ranks, options.timeline);
  const auto world = queued(thread, ranks);
  refuse_disagreement(*world, facts_to_agree_on(settings, options.build));
  refuse_disagreement(*world, {{"kind of device", c10::DeviceTypeName(options.device.type(), /*lower_case=*/true)}});
  refuse_unsupported(settings, *world, options.device);
  use_tf32(precision_of(settings) == Precision::kTf32);
  const auto seed = RandomStream(static_cast<std::uint64_t>(settings.integer("training.seed")));
  Replicas replicas(find_objective(settings.string("objective.name")), settings, seed.child(purpose("weights")), *world,
                    threads_of_rank(settings, *world, options));
  PretrainingImages images;
  agree(*world, [&] {
    const bool leads = world->rank() == 0;
    if (leads) {
      for (const ImagePlace& place : places_of_pretraining_images(settings)) glance_at(place);   // before anything is left behind
      prepare_folder(options.out);
    }
    const auto warn = [&](const std::string& what) { if (leads) log().warn(what); };
    images = open_pretraining_images(settings, static_cast<int>(replicas.first().weights().config.side), warn);
  });
  if (replicas.first().compares_images() && settings.integer("training.accumulate") > 1)
    throw InputError(fmt::format("training.accumulate = {} would compare an image only with those of its part, but objective.name = \"{}\" compares it with all of the batch. Write 1; "
                                 "training.recompute = true saves memory as well.", settings.integer("training.accumulate"), settings.string("objective.name")));
  refuse_disagreement(*world, {{"set of training images", images.training->hash()}, {"set of validation images", images.validation.hash()}});
  return Pretraining(settings, *world, thread, options, images, replicas).run();
}

}  // namespace palimpsest
