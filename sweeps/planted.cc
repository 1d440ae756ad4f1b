#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <thread>

#include <fmt/format.h>

#include "runtime/random_stream.h"
#include "sweeps/plan.h"
#include "sweeps/study.h"

// What is planted. Run of unit g (image set) and seed s in condition c; value at epoch e, images i (familiar, novel), layer l:
//
//   score = 10 + u_g + e/10 (w_gi + v_gc + effect [c = b and i = familiar]) + n_gsceil
//
//   u, w  SD cluster_sd     of the unit: all its seeds and both conditions have them
//   v     SD response_sd    how the unit takes to the condition: all its seeds have it, so runs are no independent units
//   n     SD noise_sd       of each value
//
// All means are 0, also when skewed. So a claim about b against a is true by `effect`, and without effect every claim is null.

namespace palimpsest {
namespace {

using Clock = std::chrono::steady_clock;

const std::vector<std::string> kEpochs = {"0", "5", "10"};
const std::vector<std::string> kImages = {"familiar", "novel"};

/// One unit's or one run's random numbers: mean 0, SD 1, symmetric or log-normal (skewness 6.2).
struct Draws {
  RandomStream stream;
  bool skew;
  double operator()(std::uint64_t index) const {
    const double z = stream.normal(index);
    if (!skew) return z;
    return (std::exp(z) - std::exp(0.5)) / std::sqrt(std::exp(2.0) - std::exp(1.0));
  }
};

RandomStream world_of(const Settings& settings) {
  return RandomStream(purpose("planted")).child(static_cast<std::uint64_t>(settings.integer("planted.world")));
}

Axis numbered(const char* name, std::int64_t count) {
  Axis axis{name, {}};
  for (std::int64_t i = 0; i < count; ++i) axis.labels.push_back(std::to_string(i));
  return axis;
}

std::vector<Axis> score_axes(const Settings& settings) {
  return {{"epoch", kEpochs}, {"images", kImages}, numbered("layer", settings.integer("planted.size"))};
}

std::vector<Axis> loss_axes(const Settings& settings) { return {numbered("step", settings.integer("planted.steps"))}; }

std::vector<DeclaredMetric> declare(const Settings& settings) {
  return {{"planted.score", score_axes(settings)}, {"loss", loss_axes(settings)}};
}

/// What runs that share their settings have in common, looked up once.
struct Plant {
  explicit Plant(const Settings& settings)
      : world(world_of(settings)),
        strikes(static_cast<std::uint64_t>(settings.integer("planted.fail_seed"))),
        in_b(settings.string("planted.condition") == "b"),
        skew(settings.flag("planted.skew")),
        cluster_sd(settings.number("planted.cluster_sd")),
        response_sd(settings.number("planted.response_sd")),
        noise_sd(settings.number("planted.noise_sd")),
        effect(in_b ? settings.number("planted.effect") : 0.0),
        seconds(settings.number("planted.seconds")),
        fail_share(settings.number("planted.fail_share")),
        kill_share(settings.number("planted.kill_share")),
        fail_while(settings.string("planted.fail_while")),
        steps(settings.integer("planted.steps")),
        score(score_axes(settings)),
        loss(loss_axes(settings)) {}

  RandomStream world, strikes;
  bool in_b, skew;
  double cluster_sd, response_sd, noise_sd, effect, seconds, fail_share, kill_share;
  std::string fail_while;
  std::int64_t steps;
  Axes score, loss;
};

Draws of_unit(const Plant& plant, const RunSpec& run) { return {plant.world.child(purpose("unit")).child(static_cast<std::uint64_t>(run.image_set)), plant.skew}; }

/// The stream of a run: of its unit, seed and condition.
RandomStream of_run(const RandomStream& root, const Plant& plant, const RunSpec& run) {
  return root.child(static_cast<std::uint64_t>(run.image_set)).child(static_cast<std::uint64_t>(run.seed)).child(plant.in_b);
}

Measurement score(const Plant& plant, const RunSpec& run) {
  const Draws unit = of_unit(plant, run);
  const Draws noise{of_run(plant.world.child(purpose("noise")), plant, run), plant.skew};
  const double response = plant.response_sd * unit(plant.in_b ? 4 : 3);

  Measurement out{"planted.score", plant.score, {}};
  for (std::size_t e = 0; e < kEpochs.size(); ++e)
    for (std::size_t i = 0; i < kImages.size(); ++i) {
      const double change = plant.cluster_sd * unit(1 + i) + response + (i == 0 ? plant.effect : 0.0);
      const double share = static_cast<double>(e) / static_cast<double>(kEpochs.size() - 1);
      for (std::size_t l = 0; l < out.axes[2].labels.size(); ++l) {
        const double n = plant.noise_sd * noise(out.values.size());
        out.values.push_back(static_cast<float>(10.0 + plant.cluster_sd * unit(0) + share * change + n));
      }
    }
  return out;
}

/// A training curve to look at: falls as 1 / (1 + step), with a little of the run's own noise.
Measurement loss(const Plant& plant, const RunSpec& run) {
  const RandomStream noise = of_run(plant.world.child(purpose("loss")), plant, run);
  Measurement out{"loss", plant.loss, {}};
  for (std::size_t step = 0; step < out.axes[0].labels.size(); ++step)
    out.values.push_back(static_cast<float>((1.0 + 0.05 * noise.normal(step)) / (1.0 + static_cast<double>(step))));
  return out;
}

/// Whether the run is among the share of those to which it happens.
bool is_struck(const Plant& plant, const RunSpec& run, const char* what, double share) {
  if (share <= 0 || (!plant.fail_while.empty() && !std::filesystem::exists(plant.fail_while))) return false;
  return of_run(plant.strikes.child(purpose(what)), plant, run).uniform(0) < share;
}
bool fails(const Plant& plant, const RunSpec& run) { return is_struck(plant, run, "failure", plant.fail_share); }
bool kills(const Plant& plant, const RunSpec& run) { return is_struck(plant, run, "kill", plant.kill_share); }

/// Sleeps in slices, so that a request to stop is heard within a few milliseconds.
void pass_time(double seconds, const PackContext& context) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  do {
    if (context.should_stop && context.should_stop()) throw Interrupted("A pack of planted runs was stopped; run the sweep again to resume.");
    const auto left = std::chrono::duration<double>(end - Clock::now());
    std::this_thread::sleep_for(std::min(left, std::chrono::duration<double>(0.005)));
  } while (Clock::now() < end);
}

/// A run's way through its steps, from where its snapshot is; the losses so far are what it carries along.
class Course {
 public:
  Course(const Plant& plant, const RunSpec& run, const PackContext& context) : run_(run), context_(context), seconds_(plant.seconds), loss_(loss(plant, run)) {
    const auto saved = context.snapshots ? context.snapshots->saved(run.id) : std::nullopt;
    if (!saved) return;
    so_far_.resize(static_cast<std::size_t>(saved->step));
    const auto& bytes = saved->parts.at("loss").bytes;
    std::memcpy(so_far_.data(), bytes.data(), std::min(bytes.size(), so_far_.size() * sizeof(float)));
  }

  void run(const std::function<void(std::int64_t)>& after_step) {
    while (so_far_.size() < loss_.values.size()) {
      if (context_.snapshots && context_.snapshots->due()) save();
      pass_time_or_leave();
      so_far_.push_back(loss_.values[so_far_.size()]);
      after_step(static_cast<std::int64_t>(so_far_.size()));
    }
  }

  Measurement losses() const { return {loss_.metric, loss_.axes, so_far_}; }

 private:
  void pass_time_or_leave() {
    try {
      pass_time(seconds_, context_);
    } catch (const Interrupted&) {
      if (context_.snapshots && !so_far_.empty()) save();
      throw;
    }
  }
  void save() {
    const auto bytes = std::as_bytes(std::span(so_far_));
    const auto step = static_cast<std::int64_t>(so_far_.size());
    context_.snapshots->save(run_.id, {step, {{"loss", {"F32", {step}, {bytes.begin(), bytes.end()}}}}});
  }

  const RunSpec& run_;
  const PackContext& context_;
  const double seconds_;   // of a step
  const Measurement loss_;
  std::vector<float> so_far_;
};

RunResult run_one(const Plant& plant, const RunSpec& run, const PackContext& context, const std::function<void(std::int64_t)>& after_step) {
  const auto start = Clock::now();
  Course course(plant, run, context);
  course.run(after_step);
  if (kills(plant, run)) std::raise(SIGSEGV);
  RunResult result;
  result.id = run.id;
  if (fails(plant, run))
    result.failure = fmt::format("planted to fail (planted.fail_share = {})", plant.fail_share);
  else
    result.measurements.push_back(score(plant, run)), result.measurements.push_back(course.losses());
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

/// The last is kept: packs of one run that follow each other mostly have the same settings.
const Plant& plant_of(const Settings& settings) {
  thread_local std::optional<std::pair<Settings, Plant>> last;
  if (!last || last->first != settings) last.emplace(settings, Plant(settings));
  return last->second;
}

/// One run after the other, so that a pack that is killed has reported some of its runs and not the others.
void run_pack(const std::vector<RunSpec>& runs, const PackContext& context) {
  if (const auto most = runs.front().settings.integer("planted.most"); most > 0 && static_cast<std::int64_t>(runs.size()) > most) throw std::bad_alloc();
  const Plant* plant = nullptr;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (i == 0 || runs[i].settings != runs[i - 1].settings) plant = &plant_of(runs[i].settings);
    const double steps = static_cast<double>(plant->steps);
    RunResult result = run_one(*plant, runs[i], context, [&](std::int64_t done) {
      if (context.progress)
        context.progress((static_cast<double>(i) + static_cast<double>(done) / steps) / static_cast<double>(runs.size()));
    });
    context.report(std::move(result));
  }
}

/// Units are made, and made alike everywhere: their number says all.
Inputs inspect(const Settings&, std::int64_t image_set, std::int64_t) {
  return {{{"planted.unit", fmt::format("{:032x}", image_set)}}};
}

std::string signature(const Settings& settings) {
  return fmt::format("condition {} size {} steps {}", settings.string("planted.condition"), settings.integer("planted.size"),
                     settings.integer("planted.steps"));
}

std::uint64_t probe_memory(const RunSpec& run) {
  const std::uint64_t values = kEpochs.size() * kImages.size() * static_cast<std::uint64_t>(run.settings.integer("planted.size")) +
                               static_cast<std::uint64_t>(run.settings.integer("planted.steps"));
  return 4096 + values * sizeof(float);
}

/// The time it passes, as the work a core would do in it, and some hundred operations a value.
double work(const Settings& settings) {
  const double values = static_cast<double>(kEpochs.size() * kImages.size() * settings.integer("planted.size") + settings.integer("planted.steps"));
  return settings.number("planted.seconds") * static_cast<double>(settings.integer("planted.steps")) * kWorkPerSecond + 300.0 * values;
}

KeyTable keys() {
  return {
      {.name = "planted.condition", .type = KeyType::kString, .default_value = std::string("a"),
       .meaning = "Condition of the run; the effect is planted in b.", .choices = {"a", "b"}},
      {.name = "planted.effect", .type = KeyType::kNumber, .default_value = 0.0,
       .meaning = "Shift of planted.score in condition b, on familiar images, at the last epoch."},
      {.name = "planted.cluster_sd", .type = KeyType::kNumber, .default_value = 1.0,
       .meaning = "SD of the unit's own level and course, shared by its seeds and both conditions.", .minimum = 0},
      {.name = "planted.response_sd", .type = KeyType::kNumber, .default_value = 0.3,
       .meaning = "SD of how a unit takes to a condition, shared by its seeds.", .minimum = 0},
      {.name = "planted.noise_sd", .type = KeyType::kNumber, .default_value = 0.5, .meaning = "SD of the noise of each value.", .minimum = 0},
      {.name = "planted.skew", .type = KeyType::kBool, .default_value = false,
       .meaning = "Units and noise are log-normal (skewness 6.2) instead of normal; means stay 0."},
      {.name = "planted.world", .type = KeyType::kInteger, .default_value = std::int64_t{0},
       .meaning = "Another number gives other units and other noise: a replication.", .minimum = 0},
      {.name = "planted.size", .type = KeyType::kInteger, .default_value = std::int64_t{4},
       .meaning = "Places of the axis layer; planted.score holds six values for each.", .minimum = 1, .maximum = 1e6},
      {.name = "planted.steps", .type = KeyType::kInteger, .default_value = std::int64_t{10},
       .meaning = "Steps a run takes, and values of loss.", .unit = "steps", .minimum = 1, .maximum = 1e6},
      {.name = "planted.seconds", .type = KeyType::kNumber, .default_value = 0.0, .meaning = "Time each step of a run takes.",
       .unit = "s", .minimum = 0, .maximum = 3600},
      {.name = "planted.fail_share", .type = KeyType::kNumber, .default_value = 0.0, .meaning = "Share of the runs that fail.",
       .minimum = 0, .maximum = 1},
      {.name = "planted.kill_share", .type = KeyType::kNumber, .default_value = 0.0, .meaning = "Share of the runs that kill the process they are in.",
       .minimum = 0, .maximum = 1},
      {.name = "planted.most", .type = KeyType::kInteger, .default_value = std::int64_t{0},
       .meaning = "Runs for which memory suffices; a larger pack runs out of it. 0: any.", .unit = "runs", .minimum = 0},
      {.name = "planted.fail_seed", .type = KeyType::kInteger, .default_value = std::int64_t{0},
       .meaning = "Which runs fail or kill: another number, other runs.", .minimum = 0},
      {.name = "planted.fail_while", .type = KeyType::kPath, .default_value = std::string(),
       .meaning = "Runs that are planted to fail or kill do so only while this file exists; empty: always.", .sweepable = false},
  };
}

std::vector<FigureInfo> figures() {
  return {
      {.title = "Score by epoch", .metric = "planted.score", .x = "epoch", .panel_axis = "layer", .panels = {"first", "middle", "last"},
       .at = {}, .split_axis = "images", .caption = "The planted effect is in condition b on familiar images and grows with the epoch."},
      {.title = "Loss", .metric = "loss", .x = "step", .panel_axis = "", .panels = {}, .at = {}, .split_axis = "", .caption = "A course to look at; no effect is planted in it."},
  };
}

}  // namespace

const Study kPlantedStudy = {
    .name = "planted",
    .method_version = 1,
    .meaning = "A study without a network: its metric is shifted by a known effect. Try a design on it before it costs anything.",
    .unit = "image_set",
    .keys = keys(),
    .metrics = {{"planted.score", {"epoch", "images", "layer"}, "", "Unit's level, its course over epochs, the planted effect, and noise."},
                {"loss", {"step"}, "", "A falling course with a little noise."}},
    .figures = figures(),
    .inspect = inspect,
    .signature = signature,
    .probe_memory = probe_memory,
    .run_pack = run_pack,
    .declare = declare,
    .work = work,
};

}  // namespace palimpsest
