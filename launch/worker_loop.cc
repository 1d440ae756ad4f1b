#include "launch/worker_loop.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <thread>
#include <utility>

#include "launch/device_text.h"
#include "launch/last_signal.h"
#include "launch/mailbox.h"
#include "launch/pack_runner.h"
#include "launch/peer_clock.h"
#include "launch/provenance.h"
#include "launch/stop_signal.h"
#include "launch/wire.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/host_name.h"
#include "runtime/log.h"

namespace palimpsest {
namespace {

constexpr std::size_t kMostTold = 256;   // runs in a message

class WorkerLoop {
 public:
  WorkerLoop(int rank, MpiMail& mail, Watchdog& watchdog) : rank_(rank), mail_(mail), watchdog_(watchdog) {
    tell(Hello{this_process(), device_text(compute_device()), device_text(c10::kCPU), rank, PALIMPSEST_VERSION, host_provenance()});
  }

  bool run() {
    while (!sent_home_ || computing_) step();
    tell(Bye{});
    while (!mail_.all_sent()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return !some_lost_;
  }

 private:
  void step() {
    bool something_came = pass_on_results();
    while (const auto letter = mail_.receive()) {
      something_came = true;
      heard_ = SteadyClock::now();
      auto message = from_coordinator(letter->text);
      std::visit([this](auto& one) { on(one); }, message);
    }
    mail_.all_sent();
    heed_stop_signal();
    keep_in_touch();
    patience_ = rest_.next(something_came);
    busy_ = something_came;
  }

  bool pass_on_results() {
    if (busy_) std::this_thread::sleep_for(kGather);
    auto messages = results_.take(patience_);
    for (FromWorker& message : messages) {
      if (gather(message)) continue;
      tell_gathered();
      if (std::holds_alternative<Left>(message)) computing_ = false;
      tell(message);
    }
    tell_gathered();
    return !messages.empty();
  }

  // Reports of a pack that come one after the other are one message.
  bool gather(FromWorker& message) {
    auto* reports = std::get_if<RunReports>(&message);
    if (!reports) return false;
    if (reports->pack != gathered_.pack) tell_gathered();
    gathered_.pack = reports->pack;
    std::ranges::move(reports->results, std::back_inserter(gathered_.results));
    if (gathered_.results.size() >= kMostTold || !gathered_.results.back().attachments.empty()) tell_gathered();
    return true;
  }

  void tell_gathered() {
    if (!gathered_.results.empty()) tell(std::exchange(gathered_, {}));
  }

  void on(const Welcome& welcome) {
    const Study* study = find_study(welcome.study);
    if (!study) throw InputError("this rank's palimpsest has no study \"" + welcome.study + "\". All ranks must run the same program.");
    if (welcome.process.host == host_name()) watchdog_.watch(welcome.process);
    welcomed_ = true;
    const bool shared = std::filesystem::exists(std::filesystem::path(welcome.results) / "log.jsonl");   // not on every host
    if (shared) {
      open_log(rank_, welcome.results);
      log_last_signal(welcome.results, rank_);
    }
    Welcome seen = welcome;
    if (!shared) seen.results.clear();
    runner_.emplace(*study, seen, [this](FromWorker message) { results_.put(std::move(message)); });
  }
  void on(PackOrder& order) {
    computing_ = true;
    runner_->start(std::move(order));
  }
  void on(const HaltPack&) {
    if (runner_) runner_->halt();
  }
  void on(const GoHome& home) {
    sent_home_ = true;
    some_lost_ = home.some_lost;
    if (runner_) runner_->halt();
  }
  void on(const Answer&) {}

  // The coordinator decides: a signal to one rank stops the sweep.
  void heed_stop_signal() {
    if (!stop_requested() || asked_stop_) return;
    asked_stop_ = true;
    watchdog_.end_within(kStopLimit);
    tell(AskStop{"stopped by a signal"});
  }

  void keep_in_touch() {
    const auto now = SteadyClock::now();
    if (std::ranges::count(mail_.take_lost(), 0)) _exit(3);
    if (welcomed_ && now - heard_ > silence_limit()) _exit(3);   // the coordinator's host is gone, or cut off: it gave us up, too
    if (!welcomed_ || now - beaten_ < beat_interval(mail_.world_size())) return;
    beaten_ = now;
    tell(runner_->beat());
  }

  void tell(const FromWorker& message) { mail_.send(0, encode(message)); }

  const int rank_;
  MpiMail& mail_;
  Watchdog& watchdog_;
  bool welcomed_ = false, computing_ = false, sent_home_ = false, asked_stop_ = false, some_lost_ = false;
  SteadyClock::time_point heard_ = SteadyClock::now(), beaten_ = heard_;
  Rest rest_;
  std::chrono::microseconds patience_{0};
  bool busy_ = false;                  // something came a moment ago
  RunReports gathered_;
  Mailbox<FromWorker> results_;
  std::optional<PackRunner> runner_;   // last: its thread tells results_
};

}  // namespace

bool work_for_coordinator(int rank, MpiMail& mail, Watchdog& watchdog) { return WorkerLoop(rank, mail, watchdog).run(); }

}  // namespace palimpsest
