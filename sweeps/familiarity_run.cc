// A pack of familiarity runs at work: its steps, who leaves it when, what is saved.


#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "runtime/device.h"
#include "runtime/host_memory.h"
#include "runtime/log.h"
#include "sweeps/alike.h"
#include "sweeps/familiarity_pack.h"
#include "sweeps/familiarity_snapshot.h"

namespace palimpsest {
namespace {

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

constexpr double kSoonOver = 3;   // seconds; a process that was told to stop ends within ten

// The first run of a condition shows its reconstructions in the report.
bool shows_pictures(const RunSpec& run) { return run.seed == 0 && run.image_set == 0; }

// Steps of a pack: 2 e is "before training epoch e", 2 e + 1 "before evaluating it", so that neither is made twice. Runs that fail or have had
// all their epochs leave it with their results.
class PackAtWork {
 public:
  PackAtWork(const Alike& alike, const PackContext& context, double share_before, double share)
      : alike_(alike), context_(context), share_before_(share_before), share_(share), pack_(alike.runs), epochs_(pack_.epochs()) {
    pack_.should_stop = [this] { return must_leave(); };
    if (alike.snapshots.empty()) return;
    pack_.go_on_from(alike.snapshots);
    step_ = saved_ = alike.snapshots.front().step;
  }

  void run() {
    StopBetweenBlocks between([this] { return must_leave(); });
    const BlockRunnerScope scope(&between);
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
    else pack_.take_first_pictures_of(FamiliarityPack(alike_.runs));
  }

  void make_step() {
    const auto epoch = step_ / 2;
    or_save([&] {
      if (context_.should_stop()) throw Interrupted("stopped within a pack; its runs are run again");
      if (step_ % 2 == 1)
        pack_.evaluate(epoch);
      else if (epoch > 0 && pack_.trains_by_one_step())
        pack_.train(epoch);
    });
    if (step_ % 2 == 0 && epoch > 0 && !pack_.trains_by_one_step()) train_by_many_steps(epoch);
    take_leave(step_ % 2 == 1 ? pack_.finished(epoch) : pack_.failed());
  }

  // Half of them cannot be saved: a pack that leaves here goes back to its last snapshot, which is of just before where they take long.
  void train_by_many_steps(std::int64_t epoch) {
    if (context_.snapshots && epoch_seconds_ && *epoch_seconds_ >= kSoonOver) save();
    Stopwatch watch;
    half_way_ = true;
    pack_.train(epoch);
    half_way_ = false;
    epoch_seconds_ = watch.lap();
  }

  // An epoch that is soon over, by the one before, comes to its end and is saved. Of the first here it is not known.
  bool must_leave() const { return context_.should_stop() && !(half_way_ && epoch_seconds_ && *epoch_seconds_ < kSoonOver); }

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
  FamiliarityPack pack_;
  const std::int64_t epochs_;
  Stopwatch stopwatch_;
  std::int64_t step_ = 0, saved_ = 0;
  bool half_way_ = false;                  // in an epoch of many steps
  std::optional<double> epoch_seconds_;    // that the last such epoch took
};

// A snapshot that does not fit, of another build perhaps, means beginning anew.
std::unique_ptr<PackAtWork> begun(Alike& alike, const PackContext& context, double share_before, double share) {
  try {
    return std::make_unique<PackAtWork>(alike, context, share_before, share);
  } catch (const InputError& error) {
    if (alike.snapshots.empty()) throw;
    log().warn("{} runs begin anew: {}", alike.runs.size(), error.what());
    alike.snapshots.clear();
    return std::make_unique<PackAtWork>(alike, context, share_before, share);
  }
}

}  // namespace

void run_familiarity_pack(const std::vector<RunSpec>& runs, const PackContext& context) {
  at::set_num_threads(1);  // a pack computes on one thread, a worker per core: equal bits, and no fight for cores
  keep_freed_memory();
  double before = 0;
  for (Alike& together : alike(runs, context.snapshots)) {
    const auto share = static_cast<double>(together.runs.size()) / static_cast<double>(runs.size());
    begun(together, context, before, share)->run();
    before += share;
  }
}

void train_familiarity_again(const RunSpec& run, const std::filesystem::path& file, const PackContext& context) {
  at::set_num_threads(1);
  keep_freed_memory();
  FamiliarityPack pack({run});
  pack.should_stop = context.should_stop;
  StopBetweenBlocks between(context.should_stop);
  const BlockRunnerScope scope(&between);
  for (std::int64_t epoch = 1; epoch <= pack.epochs(); ++epoch) {
    if (context.should_stop()) throw Interrupted("stopped while a run was trained again");
    pack.train(epoch);
    context.progress(static_cast<double>(epoch) / static_cast<double>(pack.epochs()));
  }
  if (const auto result = pack.result(0); !result.failure.empty()) throw InputError(fmt::format("run {}: {}", run.id, result.failure));
  pack.write_network(0, file);
}

std::uint64_t memory_of_run(const ProbedMemory& seen) {
  std::uint64_t kept = 0;
  if (seen.recorded_steps > 0) kept = seen.trained - seen.base + static_cast<std::uint64_t>(seen.recorded_steps - 1) * (seen.trained - seen.built);
  return std::max<std::uint64_t>(kept + seen.evaluated - seen.base, std::uint64_t{1} << 20);
}

std::uint64_t probe_familiarity_memory(const RunSpec& run) {
  at::set_num_threads(1);
  keep_freed_memory();
  give_back_freed_memory();  // of the probe before
  const auto device = compute_device();
  const auto peak = [&] { return device.is_cpu() ? peak_memory() : peak_memory(device); };
  if (device.is_cpu())
    forget_peak_memory();
  else
    forget_peak(device);
  ProbedMemory seen{.base = peak()};
  {
    const std::vector<RunSpec> alone = {run};
    FamiliarityPack pack(alone);
    seen.recorded_steps = pack.records_steps() ? pack.networks() : 0;
    if (seen.recorded_steps > 0) forget_peak(device);
    seen.built = peak();
    pack.train(1);
    seen.trained = peak();
    if (seen.recorded_steps > 0) forget_peak(device);
    pack.evaluate_first();
  }
  seen.evaluated = peak();
  return memory_of_run(seen);
}

}  // namespace palimpsest
