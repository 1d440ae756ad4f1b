#include "launch/pack_runner.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <set>

#include "runtime/crash_point.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/words.h"

namespace palimpsest {
namespace {

bool says_any(const std::string& text, std::initializer_list<const char*> words) {
  return std::ranges::any_of(words, [&](const char* one) { return text.find(one) != std::string::npos; });
}

// After most errors of CUDA every further call in this process fails as well.
[[noreturn]] void leave_without_gpu(const std::string& reason) {
  log().critical("{}. This rank cannot compute any more and ends; its runs go to others, or on when the same command is run again.", reason);
  log().flush();
  std::_Exit(3);
}

// The runs of a pack that have no result yet.
class Open {
 public:
  explicit Open(const std::vector<RunSpec>& runs) : runs_(runs), closed_(runs.size()) {}

  // They mostly come in order.
  void close(const RunId& id) {
    for (std::size_t seen = 0; seen < runs_.size(); ++seen, next_ = (next_ + 1) % runs_.size()) {
      if (runs_[next_].id != id) continue;
      closed_[next_] = true;
      return;
    }
  }
  std::vector<RunId> ids() const {
    std::vector<RunId> open;
    for (std::size_t i = 0; i < runs_.size(); ++i)
      if (!closed_[i]) open.push_back(runs_[i].id);
    return open;
  }

 private:
  const std::vector<RunSpec>& runs_;
  std::vector<bool> closed_;
  std::size_t next_ = 0;
};

RunResult failure(const RunId& id, const std::string& reason) {
  RunResult result;
  result.id = id;
  result.failure = reason;
  return result;
}

std::size_t places_of(const Measurement& measurement) {
  std::size_t places = 1;
  for (const Axis& axis : measurement.axes) places *= axis.labels.size();
  return places;
}

}  // namespace

Cause cause_of(const std::exception& error) {
  const std::string text = error.what();
  if (dynamic_cast<const std::bad_alloc*>(&error) || says_any(text, {"can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED"})) return Cause::kMemory;
  return says_any(text, {"CUDA error", "CUDA driver error", "cuDNN error"}) ? Cause::kDevice : Cause::kRuns;
}

std::string fault_of(const RunResult& result) {
  std::set<std::string> metrics, attachments;
  for (const Measurement& one : result.measurements) {
    if (!metrics.insert(one.metric).second) return fmt::format("the study gave the metric {} twice", one.metric);
    if (one.values.size() != places_of(one))
      return fmt::format("the study gave {} numbers for the {} places of the metric {}", one.values.size(), places_of(one), one.metric);
  }
  for (const Attachment& one : result.attachments)
    if (!attachments.insert(one.name).second) return fmt::format("the study gave the attachment {} twice", one.name);
  return {};
}

PackRunner::PackRunner(const Study& study, const Welcome& welcome, std::function<void(FromWorker)> tell)
    : study_(study), keep_pictures_(welcome.keep_pictures), tell_(std::move(tell)) {
  if (!welcome.results.empty()) snapshots_.emplace(snapshot_folder(welcome.results), welcome.snapshot_every);
  thread_ = std::thread([this] { work(); });
}

PackRunner::~PackRunner() {
  halt();
  leaving_ = true;
  ordered_.notify_one();
  thread_.join();
}

void PackRunner::start(PackOrder order) {
  {
    const std::lock_guard lock(mutex_);
    pack_ = order.pack.value;
    share_ = 0;
    halted_ = false;
    order_ = std::move(order);
  }
  ordered_.notify_one();
}

void PackRunner::halt() { halted_ = true; }

void PackRunner::work() {
  while (!leaving_) {
    std::optional<PackOrder> order;
    {
      std::unique_lock lock(mutex_);
      ordered_.wait_for(lock, std::chrono::milliseconds(100), [this] { return order_ || leaving_; });
      order_.swap(order);
    }
    if (order) run(std::move(*order));
  }
}

void PackRunner::run(PackOrder&& order) {
  if (log().should_log(spdlog::level::debug)) {
    std::string runs;
    for (const RunSpec& run : order.runs) runs += " " + run.id;
    log().debug("pack {}: runs{}", order.pack.value, runs);
  }
  crash_point("order-received");
  const PackId pack = order.pack;
  const Leaving leaving = run_in_parts(std::move(order));
  pack_ = 0;
  tell_(Left{pack, leaving});
}

Leaving PackRunner::run_in_parts(PackOrder&& order) {
  if (snapshots_) snapshots_->start();
  const std::size_t all = order.runs.size(), size = order.together > 0 ? static_cast<std::size_t>(order.together) : all;
  if (size >= all) return run_guarded(order, 0, 1);
  const auto share = [all](std::size_t runs) { return static_cast<double>(runs) / static_cast<double>(all); };
  for (std::size_t begin = 0; begin < all; begin += size) {
    const std::size_t end = std::min(all, begin + size);
    const auto first = std::make_move_iterator(order.runs.begin());
    const PackOrder part{order.pack, {first + static_cast<std::ptrdiff_t>(begin), first + static_cast<std::ptrdiff_t>(end)}};
    const Leaving leaving = halted_ ? Leaving::kStopped : run_guarded(part, share(begin), share(end - begin));
    if (leaving != Leaving::kEnded) return leaving;
  }
  return Leaving::kEnded;
}

Leaving PackRunner::run_guarded(const PackOrder& order, double before, double part) {
  Open open(order.runs);
  const auto report = [&](RunResult result) {
    if (const std::string fault = fault_of(result); !fault.empty()) result = failure(result.id, fault);
    open.close(result.id);
    crash_point("before-report");
    RunReports reports{order.pack, {}};
    reports.results.push_back(std::move(result));
    tell_(std::move(reports));
    crash_point("inside-pack");
  };
  try {
    study_.run_pack(order.runs, {report, [this] { return halted_.load(); }, [&](double share) { share_ = before + part * share; }, keep_pictures_,
                                 snapshots_ ? &*snapshots_ : nullptr});
    return Leaving::kEnded;
  } catch (const Interrupted& error) {
    if (!halted_) tell_(AskStop{error.what()});
    return Leaving::kStopped;
  } catch (const std::exception& error) {
    const Cause cause = cause_of(error);
    if (cause == Cause::kMemory) return Leaving::kOutOfMemory;
    const std::string reason = first_line(error.what());
    if (cause == Cause::kDevice) leave_without_gpu(reason);
    RunReports reports{order.pack, {}};
    for (const RunId& id : open.ids()) reports.results.push_back(failure(id, reason));
    if (!reports.results.empty()) tell_(std::move(reports));
    return Leaving::kEnded;
  }
}

}  // namespace palimpsest
