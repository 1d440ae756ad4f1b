#include "launch/coordinator_loop.h"

#include <fmt/core.h>

#include <map>
#include <set>
#include <thread>
#include <utility>

#include "launch/cancellation.h"
#include "launch/committer.h"
#include "launch/device_text.h"
#include "launch/exit_code.h"
#include "launch/mailbox.h"
#include "launch/last_signal.h"
#include "launch/pack_runner.h"
#include "launch/peer_clock.h"
#include "launch/provenance.h"
#include "launch/stop_signal.h"
#include "launch/wire.h"
#include "runtime/clock.h"
#include "runtime/crash_point.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/host_name.h"
#include "runtime/log.h"
#include "sweeps/run_record.h"

namespace palimpsest {
namespace {

constexpr int kFailuresShown = 10;
constexpr int kHere = 0;   // this rank; a worker's id is its rank

struct Peer {
  std::optional<Worker> worker;     // as it said in its hello
  SteadyClock::time_point heard = SteadyClock::now();
  bool lost = false;
};

class CoordinatorLoop {
 public:
  CoordinatorLoop(SweepAtWork& sweep, MpiMail& mail, Peers& peers, Watchdog& watchdog)
      : sweep_(sweep),
        mail_(mail),
        peers_(peers),
        watchdog_(watchdog),
        welcome_{this_process(), sweep.plan.definition().study->name, sweep.keep_pictures, std::filesystem::absolute(sweep.results), sweep.plan.definition().snapshot_every},
        committer_(sweep.ledger, snapshot_folder(sweep.results), [this](Committer::Cleared cleared) { inbox_.put(std::move(cleared)); }),
        runner_(*sweep.plan.definition().study, welcome_, [this](FromWorker message) { inbox_.put(std::move(message)); }) {
    for (int rank = 1; rank < mail.world_size(); ++rank) peer_[rank];
  }

  std::optional<std::string> run() {
    log_last_signal(sweep_.results, kHere);
    peer_[kHere].worker = Worker{host_name(), device_text(compute_device()), kHere, {}};
    on_worker_ready(sweep_.coordinator, {kHere}, *peer_[kHere].worker, unix_time(), outbox_);
    submit();
    while (!through()) step();
    return why_stopped_;
  }

 private:
  bool through() const {
    return finished(sweep_.coordinator) && outbox_.effects.empty() && in_ledger_ == submitted_ && peers_.gone.size() + 1 == peer_.size();
  }

  void step() {
    if (busy_) std::this_thread::sleep_for(kGather);
    bool something_came = take_inbox();
    while (const auto letter = mail_.receive()) {
      something_came = true;
      read(*letter);
    }
    heed_stop_signal();
    take_leave_of_the_lost();
    if (a_second_.due()) {
      look_for_the_lost();
      on_time_passed(sweep_.coordinator, unix_time(), outbox_);
    }
    grow();
    if (gathered_.due() || !few_wait(sweep_.coordinator, outbox_)) submit();
    mail_.all_sent();
    if (a_tenth_.due()) sweep_.on_progress(sweep_.coordinator);
    busy_ = something_came;
    patience_ = peer_.size() > 1 ? rest_.next(something_came) : std::chrono::milliseconds(50);
  }

  bool take_inbox() {
    auto letters = inbox_.take(patience_);
    for (auto& letter : letters) {
      if (auto* message = std::get_if<FromWorker>(&letter))
        on(kHere, *message);
      else
        on(std::get<Committer::Cleared>(letter));
    }
    return !letters.empty();
  }

  void read(const Letter& letter) {
    peer_[letter.from].heard = SteadyClock::now();
    try {
      FromWorker message = from_worker(letter.text);
      on(letter.from, message);
    } catch (const InputError& error) {
      throw InputError(fmt::format("rank {}: {}", letter.from, error.what()));
    }
  }

  // What was put on disk lets go of what waited for it.
  void on(Committer::Cleared& cleared) {
    if (cleared.error) std::rethrow_exception(cleared.error);
    for (Effect& effect : cleared.effects) std::visit([this](auto& one) { perform(one); }, effect);
    in_ledger_ += cleared.effects_taken;
  }

  void perform(LedgerEntry&) {}
  void perform(const Shrinkage& shrinkage) { sweep_.on_shrinkage(shrinkage); }
  void perform(Assignment& assignment) {
    PackOrder order{assignment.pack, {}, assignment.together};
    order.runs.reserve(assignment.runs.size());
    for (std::size_t i = 0; i < assignment.runs.size(); ++i) order.runs.push_back(maker_.order_at(assignment.runs[i], std::move(assignment.ids[i])));
    announce_work();   // of a pack that kills its worker a smaller one is made the next time
    crash_point("before-order");
    if (assignment.worker.value == kHere)
      runner_.start(std::move(order));
    else
      tell(assignment.worker, std::move(order));
    crash_point("after-order");
  }
  void perform(const Dismissal& dismissal) {
    if (dismissal.worker.value != kHere) tell(dismissal.worker, GoHome{peers_.some_lost});
  }
  void perform(const Halt& halt) {
    if (halt.worker.value == kHere)
      runner_.halt();
    else
      tell(halt.worker, HaltPack{});
  }

  void on(int rank, FromWorker& message) {
    take_back(rank, message);
    std::visit([&](auto& one) { on(rank, one); }, message);
  }

  // One that was given up and is heard of again starts over when it has nothing in hand.
  void take_back(int rank, const FromWorker& message) {
    Peer& peer = peer_[rank];
    const auto* beat = std::get_if<Beat>(&message);
    const bool free = std::holds_alternative<Left>(message) || (beat && beat->pack.value == 0);
    if (!peer.lost || !free) return;
    peer.lost = false;
    peers_.gone.erase(rank);
    on_worker_ready(sweep_.coordinator, {rank}, *peer.worker, unix_time(), outbox_);
  }

  void on(int rank, const Hello& hello) {
    if (hello.program != PALIMPSEST_VERSION)
      throw InputError(fmt::format("is palimpsest {} on {}, rank 0 is {}. Start the same program everywhere.", hello.program,
                                   hello.process.host, PALIMPSEST_VERSION));
    const Study& study = *sweep_.plan.definition().study;
    peer_[rank].worker = Worker{hello.process.host, study.on_gpu ? hello.device : hello.processor, rank, {}};
    if (const auto other = other_facts(hello.facts, host_facts_, hello.process.host); !other.empty() && told_of_.insert(hello.process.host).second)
      outbox_.effects.push_back(LedgerEntry{FactsOfHost{other}});
    tell({rank}, welcome_);
    on_worker_ready(sweep_.coordinator, {rank}, *peer_[rank].worker, unix_time(), outbox_);
  }
  void on(int rank, RunReports& reports) {
    for (RunResult& result : reports.results) {
      if (!result.failure.empty()) warn_of_failure(result);
      on_run_finished(sweep_.coordinator, {rank}, reports.pack, std::move(result), unix_time(), outbox_);
    }
  }
  void on(int rank, const Left& left) { on_pack_left(sweep_.coordinator, {rank}, left.pack, left.leaving, unix_time(), outbox_); }
  void on(int rank, const Beat& beat) {
    on_progress(sweep_.coordinator, {rank}, beat.pack, beat.share);
    tell({rank}, Answer{});
  }
  void on(int rank, const AskStop& ask) {
    on_worker_ending(sweep_.coordinator, {rank}, unix_time(), outbox_);
    stop(ask.reason);
  }
  void on(int rank, const Bye&) { peers_.gone.insert(rank); }

  void warn_of_failure(const RunResult& result) {
    if (++failures_ <= kFailuresShown) log().warn("run {} failed: {}", result.id, result.failure);
    if (failures_ == kFailuresShown) log().warn("further failures are in the ledger alone");
  }

  void heed_stop_signal() {
    if (stop_requested()) stop("stopped by a signal");
    if (const auto limit = sweep_.limit_reached()) stop(*limit);
    if (cancelled()) stop("cancelled");
    const Beat beat = runner_.beat();
    on_progress(sweep_.coordinator, {kHere}, beat.pack, beat.share);
  }

  bool cancelled() {
    if (!look_.due() || !asked_to_cancel(sweep_.results)) return false;
    forget_cancel(sweep_.results);
    return true;
  }

  void stop(const std::string& why) {
    if (why_stopped_) return;
    why_stopped_ = why;
    watchdog_.end_within(kStopLimit);
    for (const auto& [rank, peer] : peer_)   // without their launcher all end, and none of them is to blame
      if (rank == kHere || launcher_gone()) on_worker_ending(sweep_.coordinator, {rank}, unix_time(), outbox_);
    on_stop(sweep_.coordinator, outbox_);
  }

  // Their processes ended, and MPI told us.
  void take_leave_of_the_lost() {
    for (const int rank : mail_.take_lost()) {
      if (peers_.gone.contains(rank) && !peer_[rank].lost) continue;   // it had said its last word
      log().warn("rank {} ended before its time; its runs go to others", rank);
      peers_.some_lost = peer_[rank].lost = true;
      if (peers_.gone.insert(rank).second) lose(rank);
    }
  }

  void look_for_the_lost() {
    const auto limit = SteadyClock::now() - silence_limit();
    for (auto& [rank, peer] : peer_) {
      if (rank == kHere || peer.lost || peer.heard > limit || peers_.gone.contains(rank)) continue;
      peer.lost = true;
      log().warn("nothing was heard of rank {} for {} s; its runs go to others", rank, silence_limit().count());
      peers_.some_silent = true;
      peers_.gone.insert(rank);
      lose(rank);
    }
  }

  void lose(int rank) {
    const auto before = sweep_.coordinator.quarantined;
    const std::string words = last_words(sweep_.results, rank);
    on_worker_lost(sweep_.coordinator, {rank}, words, unix_time(), outbox_);
    if (sweep_.coordinator.quarantined > before) log().warn("the run it had is quarantined: {} workers were lost with it. {}", kKillsToQuarantine, words);
  }

  // The committer has nothing in hand then, so the ledger is free for this thread.
  void grow() {
    const Coordinator& coordinator = sweep_.coordinator;
    if (!coordinator.growing || coordinator.stopping || !drained(coordinator) || !outbox_.effects.empty() || in_ledger_ != submitted_) return;
    on_more_packs(sweep_.coordinator, sweep_.more_packs(), unix_time(), outbox_);
  }

  void submit() {
    const std::size_t size = outbox_.effects.size();
    submitted_ += static_cast<std::int64_t>(size);
    committer_.submit(std::exchange(outbox_.effects, {}));
    outbox_.effects.reserve(size);   // about as many come next: a run's entry is large to move
  }

  void tell(WorkerId worker, const FromCoordinator& message) { mail_.send(static_cast<int>(worker.value), encode(message)); }

  SweepAtWork& sweep_;
  RunMaker maker_{sweep_.plan};
  const std::map<std::string, std::string> host_facts_ = host_provenance();   // of this one
  std::set<std::string> told_of_;                                             // hosts whose facts are in the ledger
  MpiMail& mail_;
  Peers& peers_;
  Watchdog& watchdog_;
  std::map<int, Peer> peer_;
  Outbox outbox_;
  std::int64_t submitted_ = 0, in_ledger_ = 0;   // effects
  std::optional<std::string> why_stopped_;
  Once look_{std::chrono::seconds(1)}, a_second_{std::chrono::seconds(1)}, a_tenth_{std::chrono::milliseconds(100)}, gathered_{std::chrono::milliseconds(20)};
  int failures_ = 0;
  Rest rest_;
  bool busy_ = false;                            // something came a moment ago
  std::chrono::microseconds patience_{0};
  const Welcome welcome_;
  Mailbox<std::variant<FromWorker, Committer::Cleared>> inbox_;
  Committer committer_;                          // last, with the runner: their threads tell inbox_
  PackRunner runner_;
};

}  // namespace

std::optional<std::string> run_coordinator(SweepAtWork& sweep, MpiMail& mail, Peers& peers, Watchdog& watchdog) {
  return CoordinatorLoop(sweep, mail, peers, watchdog).run();
}

void send_home(MpiMail& mail, Peers& peers) {
  const auto deadline = SteadyClock::now() + kStopLimit;
  for (int rank = 1; rank < mail.world_size(); ++rank)
    if (!peers.gone.contains(rank)) mail.send(rank, encode(FromCoordinator(GoHome{peers.some_lost})));
  while (static_cast<int>(peers.gone.size()) + 1 < mail.world_size() && SteadyClock::now() < deadline) {
    while (const auto letter = mail.receive())
      if (std::holds_alternative<Bye>(from_worker(letter->text))) peers.gone.insert(letter->from);
    mail.all_sent();
    for (const int rank : mail.take_lost()) peers.gone.insert(rank), peers.some_lost = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace palimpsest
