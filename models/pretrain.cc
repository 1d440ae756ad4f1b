#include "models/pretrain.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <fstream>

#include "models/batch_loader.h"
#include "models/objective.h"
#include "models/picture_grid.h"
#include "models/pretraining_images.h"
#include "models/replicas.h"
#include "models/run_facts.h"
#include "models/schedule.h"
#include "models/training_events.h"
#include "models/training_state.h"
#include "models/validation.h"
#include "runtime/agree.h"
#include "runtime/checkpoint.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/gemm_rate.h"
#include "runtime/gradient_sum.h"
#include "runtime/log.h"
#include "runtime/progress.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kPictures = 8;
constexpr const char* kLossesHeader = "step,loss,validation,learning_rate\n";

void refuse_unsupported(const Settings& settings, const Communicator& world) {
  if (const auto& strategy = settings.string("sharding.strategy"); strategy != "none")
    throw InputError(fmt::format("sharding.strategy = \"{}\" is not supported by this version. Write \"none\": data parallel, every rank holds all weights.", strategy));
  if (settings.integer("training.batch") < world.world_size())
    throw InputError(fmt::format("training.batch = {} leaves some of {} ranks without an image. Raise it, or start fewer ranks.",
                                 settings.integer("training.batch"), world.world_size()));
  if (settings.number("training.crop_smallest") > settings.number("training.crop_largest"))
    throw InputError(fmt::format("training.crop_smallest = {} is more than training.crop_largest = {}. Exchange them.",
                                 settings.number("training.crop_smallest"), settings.number("training.crop_largest")));
}

// A quarter of the rank's cores: ranks of one machine have shared those out already.
int loader_threads(const Settings& settings, int cores) {
  const auto asked = static_cast<int>(settings.integer("training.loader_threads"));
  return asked > 0 ? asked : std::max(1, cores / 4);
}

CropRange crop_range(const Settings& settings) {
  return {.smallest = settings.number("training.crop_smallest"),
          .largest = settings.number("training.crop_largest"),
          .aspect = settings.number("training.crop_aspect"),
          .flip = settings.flag("training.flip")};
}

BatchLoader::Options loader_options(const Settings& settings, const Objective& objective, const Communicator& world, int cores) {
  return {.seed = static_cast<std::uint64_t>(settings.integer("training.seed")),
          .batch = settings.integer("training.batch"),
          .side = static_cast<int>(objective.weights().config.side),
          .crop = crop_range(settings),
          .rank = world.rank(),
          .world_size = world.world_size(),
          .threads = loader_threads(settings, cores),
          .views = objective.compares_images() ? 2 : 1};
}

AdamW::Options adamw_options(const Settings& settings) {
  return {.learning_rate = {settings.number("training.learning_rate")},
          .weight_decay = {settings.number("training.weight_decay")},
          .beta1 = settings.number("training.beta1"),
          .beta2 = settings.number("training.beta2")};
}

class Pretraining {
 public:
  Pretraining(const Settings& settings, Communicator& world, const PretrainOptions& options, const PretrainingImages& images, Replicas& replicas)
      : settings_(settings),
        world_(world),
        options_(options),
        replicas_(replicas),
        state_(replicas.first().weights(), adamw_options(settings)),
        gradients_(replicas.parameters()),
        loader_(*images.training, loader_options(settings, replicas.first(), world, options.threads)),
        validation_(images.validation, settings.integer("training.batch"), world, replicas.crew(),
                    replicas.first().compares_images() ? std::optional(crop_range(settings)) : std::nullopt),
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
    while (state_.step < schedule_.steps) {
      const float loss = step();
      if (progress) progress->update(state_.step * batch, fmt::format("step {}, loss {:.4f}", state_.step, loss));
    }
    if (progress) progress->finish();
    if (leads()) tell_speed();
    return finish();
  }

 private:
  bool leads() const { return world_.rank() == 0; }
  fs::path checkpoints() const { return options_.out / "checkpoints"; }

  void resume() {
    agree(world_, [&] {
      if (!leads()) return;
      const auto found = newest_checkpoint(checkpoints(), [](const std::string& reason) { log().warn(reason); });
      if (!found) return;
      refuse_another_run(found->folder / "weights.safetensors");
      state_.read(found->folder, found->step);
      checkpointed_ = found->step;
      log().info("goes on from step {} ({})", found->step, found->folder.string());
    });
    state_.broadcast(world_, 0);
  }

  void refuse_another_run(const fs::path& weights) const {
    const std::string other = difference(SafetensorsFile(weights).metadata(), facts_);
    if (!other.empty())
      throw InputError(fmt::format("{} holds a run with other {}. Give another folder to --out, or remove this one to start anew.", options_.out.string(), other));
  }

  // FLOP/s of matrix products over all ranks, while all are at it.
  double measured_floor() {
    auto rate = at::full({1}, gemm_rate(replicas_.crew()), at::kFloat);
    world_.all_reduce(rate, Reduction::kSum);
    return rate.item<double>();
  }

  void tell_speed() const {
    const Speed speed = events_->speed();
    if (speed.images_per_second > 0)
      log().info("{:.0f} images/s, {:.0f} % of the rate of matrix products on these cores; waited for images {:.1f} % of the time",
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
    const auto began = Clock::now();
    const double waited = loader_.waited();
    const double loss = replicas_.backward(loader_.batch(state_.step));
    // What must be decided by all alike rides along with the gradients.
    std::array<float, 3> riders = {static_cast<float>(loss), options_.should_stop && options_.should_stop() ? 1.0f : 0.0f, checkpoint_due() ? 1.0f : 0.0f};
    gradients_.all_reduce(world_, riders);
    const double norm = gradients_.clip_and_hand_back(settings_.number("training.clip"));
    if (!std::isfinite(riders[0]) || !std::isfinite(norm)) refuse_nan();
    const double rate = schedule_.at(state_.step);
    state_.optimizer().options().learning_rate = {rate};
    state_.optimizer().step();
    state_.optimizer().zero_grad();
    ++state_.step;
    record({.step = state_.step,
            .loss = riders[0],
            .learning_rate = rate,
            .gradient_norm = norm,
            .seconds = std::chrono::duration<double>(Clock::now() - began).count(),
            .waited = loader_.waited() - waited});
    const bool stop = riders[1] > 0;
    if (stop || riders[2] > 0) checkpoint();
    if (stop && state_.step < schedule_.steps)
      throw Interrupted(fmt::format("stopped at step {} of {}; a checkpoint is in {}. Run the same command again to resume.", state_.step,
                                    schedule_.steps, checkpoints().string()));
    return riders[0];
  }

  // Asked before the step after which the checkpoint would be written. The clock is rank 0's.
  bool checkpoint_due() const {
    if (!leads()) return false;
    const auto every = settings_.integer("training.checkpoint_steps");
    const double minutes = settings_.number("training.checkpoint_minutes");
    return (every > 0 && (state_.step + 1) % every == 0) || (minutes > 0 && Clock::now() - written_ > std::chrono::duration<double>(60 * minutes));
  }

  [[noreturn]] void refuse_nan() const {
    const std::string kept = checkpointed_ > 0 ? fmt::format("The checkpoint of step {} is kept in {}.", checkpointed_, checkpoints().string()) : "No checkpoint was written yet.";
    throw Error(fmt::format("the loss of step {} is no number: training diverged. Lower training.learning_rate (now {}) or raise training.warmup_steps, and start "
                            "in another folder. {}", state_.step + 1, settings_.number("training.learning_rate"), kept));
  }

  void record(const StepFacts& facts) {
    const bool measured = state_.step % settings_.integer("validation.every") == 0 || state_.step == schedule_.steps;
    const double validation = measured ? validation_.loss(replicas_.first()) : 0;
    if (!leads()) return;
    events_->step(facts);
    if (measured) events_->validation(state_.step, validation);
    const std::string line = fmt::format("{},{},{},{}\n", state_.step, static_cast<float>(facts.loss), measured ? fmt::format("{}", static_cast<float>(validation)) : "",
                                         static_cast<float>(facts.learning_rate));
    state_.losses += line;
    losses_ << line;
    if (measured) losses_.flush();
  }

  void checkpoint() {
    agree(world_, [&] {
      if (!leads()) return;
      write_checkpoint(checkpoints(), state_.step, [&](const fs::path& folder) { state_.write(folder, facts_); },
                       static_cast<int>(settings_.integer("training.keep_checkpoints")));
      write_pictures();
    });
    checkpointed_ = state_.step;
    written_ = Clock::now();
  }

  void write_pictures() {
    const c10::NoGradGuard no_gradient;
    fs::create_directories(options_.out / "pictures");
    const Image grid = picture_grid(replicas_.first().pictures(validation_.first(kPictures)));
    write_png(options_.out / "pictures" / fmt::format("step-{}.png", state_.step), grid);
    events_->pictures(state_.step, grid);
  }

  PretrainResult finish() {
    if (checkpointed_ != state_.step) checkpoint();
    result_.steps = state_.step;
    result_.validation_loss = validation_.loss(replicas_.first());
    agree(world_, [&] {
      if (leads()) write_weights();
    });
    return result_;
  }

  void write_weights() const {
    SlowWeights weights = replicas_.first().weights();
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
  TrainingState state_;
  GradientSum gradients_;
  BatchLoader loader_;
  const Validation validation_;
  const Schedule schedule_;
  const RunFacts facts_;
  PretrainResult result_;
  std::ofstream losses_;
  std::optional<TrainingEvents> events_;              // of rank 0
  std::int64_t checkpointed_ = 0;                     // the step of the newest checkpoint
  Clock::time_point written_ = Clock::now();
};

}  // namespace

PretrainResult pretrain(const Settings& settings, Communicator& world, const PretrainOptions& options) {
  refuse_unsupported(settings, world);
  const auto seed = RandomStream(static_cast<std::uint64_t>(settings.integer("training.seed")));
  const auto images_of_rank = settings.integer("training.batch") / world.world_size();
  Replicas replicas(find_objective(settings.string("objective.name")), settings, seed.child(purpose("weights")), world,
                    static_cast<int>(std::clamp<std::int64_t>(options.threads, 1, images_of_rank)));
  PretrainingImages images;
  agree(world, [&] {
    const bool leads = world.rank() == 0;
    if (leads) prepare_folder(options.out);
    const auto warn = [&](const std::string& what) { if (leads) log().warn(what); };
    images = open_pretraining_images(settings, static_cast<int>(replicas.first().weights().config.side), warn);
  });
  return Pretraining(settings, world, options, images, replicas).run();
}

}  // namespace palimpsest
