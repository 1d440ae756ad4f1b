#include "tests/simulation.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <queue>
#include <set>
#include <stdexcept>
#include <utility>

#include "sweeps/coordinator.h"

namespace palimpsest {
namespace {

constexpr double kGivenUpAfter = 30;        // seconds without a word
constexpr std::int64_t kMostEvents = 100'000;
constexpr int kMostFaults = 8;

// A fast generator: what a seed draws must not depend on the library's distributions.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ull + 0x2545f4914f6cdd1dull) {}
  std::uint64_t bits() {   // splitmix64 (Steele et al., OOPSLA 2014)
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double between(double low, double high) { return low + uniform() * (high - low); }
  int below(int bound) { return static_cast<int>(uniform() * bound); }
  bool chance(double p) { return uniform() < p; }
  double normal() { return std::sqrt(-2 * std::log(1 - uniform())) * std::cos(6.283185307179586 * uniform()); }

 private:
  std::uint64_t state_;
};

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void expect(bool holds, const std::string& promise) {
  if (!holds) throw Violation(promise);
}

// The ledger's rules without SQLite: one newest epoch, whole transactions, a result counts once, a success replaces a failure.
struct Table {
  struct Row {
    RunState state = RunState::kWaiting;
    double value = 0;
    int attempts = 0, counted = 0;          // results that were taken
    std::set<int> given_out;                // attempt numbers
    int kills = 0;                          // workers that were lost with it alone in their hands
    bool quarantined = false;
  };
  std::vector<Row> rows;
  std::set<std::int64_t> packs;
  std::int64_t epoch = 0;
};

struct Run {
  double seconds = 1;
  bool fails = false;
  double value = 0;
};

enum class Kind : std::uint8_t { kHello, kReport, kLeft, kBeat, kOrder, kGoHome, kHalt, kComputed, kCommitted, kGivenUp, kFault, kStallOver, kNewWorld };

struct Event {
  double time;
  std::uint64_t order;
  Kind kind;
  int world, worker, life;
  std::int64_t pack, run;
  Leaving leaving;
  bool operator>(const Event& other) const { return time != other.time ? time > other.time : order > other.order; }
};

struct SimWorker {
  bool alive = true, stalled = false, halted = false;
  int life = 0;                             // events of an earlier life are void
  double speed = 1, last_arrival = 0, last_order = 0;
  std::int64_t pack = 0;
  std::vector<std::int64_t> runs;
  std::size_t next = 0;
  std::int64_t next_pack = 0;               // an order that came while it computed: one that was given up gets another pack
  std::vector<Event> kept;                  // what it would have done while it was stalled
};

// A coordinator and its workers: one `mpirun`.
struct World {
  int number = 0;
  std::int64_t epoch = 0;
  bool alive = true, stopping = false;
  Coordinator coordinator;
  Outbox outbox;
  std::vector<Effect> submitted, committing;
  bool busy = false;
  std::vector<SimWorker> workers;
  std::vector<bool> lost, gone;
  std::vector<int> greeted;                 // the life of each worker that said hello last: whom orders are for
  std::int64_t settled = 0;                 // rows of the ledger that it wrote an outcome into
};

class Simulation {
 public:
  explicit Simulation(const SimulatedSweep& sweep) : sweep_(sweep), draws_(sweep.seed) {
    const int runs = sweep.runs ? sweep.runs : 1 + draws_.below(40);
    workers_ = sweep.workers ? sweep.workers : 1 + draws_.below(6);
    pack_ = sweep.pack ? sweep.pack : 1 + draws_.below(6);
    memory_ = sweep.faults && draws_.chance(0.3) ? 1 + draws_.below(pack_) : pack_;
    for (int i = 0; i < runs; ++i) {
      runs_.push_back({std::exp(0.5 * draws_.normal()), sweep.faults && draws_.chance(0.05), draws_.uniform()});
      ids_.push_back("run " + std::to_string(i));
    }
    table_.rows.resize(runs_.size());
    for (int left = sweep.faults ? draws_.below(kMostFaults + 1) : 0; left > 0; --left) put({draws_.between(0, expected() * 1.5), 0, Kind::kFault, -1, 0, 0, 0, 0, {}});
  }

  SimulatedEnd run() {
    try {
      begin_world();
      while (!over_) step();
      check_end();
    } catch (const Violation& violation) {
      end_.violation = violation.what();
    }
    end_.events = events_;
    return end_;
  }

 private:
  double expected() const {
    double all = 0;
    for (const Run& run : runs_) all += run.seconds;
    return 1 + all / workers_;
  }

  void put(Event event) {
    event.order = next_order_++;
    queue_.push(event);
  }

  void step() {
    if (queue_.empty()) throw Violation("nothing happens any more, and the sweep is not through" + standing());
    const Event event = queue_.top();
    queue_.pop();
    now_ = event.time;
    if (++events_ > kMostEvents && sweep_.faults) throw Violation("the sweep does not come to an end");
    if (event.kind == Kind::kFault) return fault();
    if (event.kind == Kind::kNewWorld) return begin_world();
    World& world = *worlds_[static_cast<std::size_t>(event.world)];
    if (world.alive) handle(world, event);
  }

  // ---- worlds

  void begin_world(bool beside = false) {
    if (over_ || (!beside && !worlds_.empty() && newest().alive)) return;
    ++end_.worlds;
    worlds_.push_back(std::make_unique<World>());
    World& world = newest();
    world.number = end_.worlds - 1;
    world.epoch = ++table_.epoch;
    world.workers.resize(static_cast<std::size_t>(workers_));
    world.lost.assign(world.workers.size(), false);
    world.gone.assign(world.workers.size(), false);
    world.greeted.assign(world.workers.size(), 0);
    for (SimWorker& worker : world.workers) worker.speed = sweep_.faults && draws_.chance(0.1) ? 0.1 : 1;
    world.coordinator = coordinator_from_ledger();
    for (int w = 0; w < workers_; ++w) say(world, w, {0, 0, Kind::kHello, 0, 0, 0, 0, 0, {}});
  }

  World& newest() { return *worlds_.back(); }

  Coordinator coordinator_from_ledger() {
    Backlog backlog{[this](std::int64_t run) { return ids_[static_cast<std::size_t>(run)]; }, {}, {}, 1, workers_};
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const Table::Row& row = table_.rows[i];
      if (sweep_.bug != Bug::kForgetAttempts && row.attempts > 0) backlog.tries[static_cast<std::int64_t>(i)] = {row.attempts, row.kills, 0};
      if (row.state != RunState::kWaiting || (sweep_.bug == Bug::kStartedIsDone && row.attempts > 0)) continue;
      if (backlog.packs.empty() || static_cast<int>(backlog.packs.back().runs.size()) == pack_) backlog.packs.emplace_back();
      backlog.packs.back().runs.push_back(static_cast<std::int64_t>(i));
    }
    backlog.next_pack = table_.packs.empty() || sweep_.bug == Bug::kForgetPackNumbers ? 1 : *table_.packs.rbegin() + 1;
    return coordinate(std::move(backlog));
  }

  // Its workers see within seconds that it is gone.
  void end_world(World& world, double pause) {
    world.alive = false;
    put({now_ + pause, 0, Kind::kNewWorld, 0, 0, 0, 0, 0, {}});
  }

  // ---- mail: in order between two ranks, at any time otherwise

  double travel() { return sweep_.faults && draws_.chance(0.02) ? draws_.between(0, 20) : draws_.between(1e-5, 1e-3); }

  void say(World& world, int w, Event event) {
    SimWorker& worker = world.workers[static_cast<std::size_t>(w)];
    worker.last_arrival = std::max(worker.last_arrival, now_ + travel());
    event.time = worker.last_arrival;
    event.world = world.number;
    event.worker = w;
    event.life = worker.life;
    put(event);
    if (!sweep_.faults || event.kind != Kind::kReport || !draws_.chance(0.03)) return;
    ++end_.repeated;
    event.time = worker.last_arrival += draws_.between(0, 5);
    put(event);
  }

  void tell(World& world, int w, Event event) {
    SimWorker& worker = world.workers[static_cast<std::size_t>(w)];
    worker.last_order = std::max(worker.last_order, now_ + travel());
    event.time = worker.last_order;
    event.world = world.number;
    event.worker = w;
    event.life = world.greeted[static_cast<std::size_t>(w)];
    put(event);
  }

  // ---- what happens

  void handle(World& world, const Event& event) {
    switch (event.kind) {
      case Kind::kCommitted: return committed(world);
      case Kind::kHello:
      case Kind::kReport:
      case Kind::kLeft:
      case Kind::kBeat: heard(world, event); break;
      case Kind::kGivenUp: give_up(world, event); break;
      default: return at_worker(world, event);
    }
    submit(world);
    look_whether_through(world);
  }

  void at_worker(World& world, const Event& event) {
    SimWorker& worker = world.workers[static_cast<std::size_t>(event.worker)];
    if (!worker.alive || event.life != worker.life) return;
    if (event.kind == Kind::kStallOver) return wake(world, event.worker);
    if (worker.stalled) return worker.kept.push_back(event);
    if (event.kind == Kind::kOrder) order(world, event);
    if (event.kind == Kind::kComputed) computed(world, event);
    if (event.kind == Kind::kHalt) worker.halted = true;
    if (event.kind == Kind::kGoHome) worker.alive = false;
  }

  void order(World& world, const Event& event) {
    SimWorker& worker = world.workers[static_cast<std::size_t>(event.worker)];
    worker.halted = false;
    if (worker.pack != 0) worker.next_pack = event.pack;
    else begin_pack(world, event.worker, event.pack);
  }

  void begin_pack(World& world, int w, std::int64_t pack) {
    SimWorker& worker = world.workers[static_cast<std::size_t>(w)];
    worker.pack = pack;
    worker.runs = orders_.at({world.number, pack});
    worker.next = 0;
    if (static_cast<int>(worker.runs.size()) > memory_) {
      ++end_.out_of_memory;
      return leave(world, w, Leaving::kOutOfMemory);
    }
    compute_next(world, w);
  }

  void compute_next(World& world, int w) {
    SimWorker& worker = world.workers[static_cast<std::size_t>(w)];
    if (worker.halted) return leave(world, w, Leaving::kStopped);
    if (worker.next == worker.runs.size()) return leave(world, w, Leaving::kEnded);
    const Run& run = runs_[static_cast<std::size_t>(worker.runs[worker.next])];
    put({now_ + run.seconds / worker.speed, 0, Kind::kComputed, world.number, w, worker.life, worker.pack, worker.runs[worker.next], {}});
  }

  void computed(World& world, const Event& event) {
    SimWorker& worker = world.workers[static_cast<std::size_t>(event.worker)];
    ++worker.next;
    say(world, event.worker, {0, 0, Kind::kReport, 0, 0, 0, event.pack, event.run, {}});
    compute_next(world, event.worker);
  }

  void leave(World& world, int w, Leaving leaving) {
    SimWorker& worker = world.workers[static_cast<std::size_t>(w)];
    say(world, w, {0, 0, Kind::kLeft, 0, 0, 0, worker.pack, 0, leaving});
    worker.pack = 0;
    if (worker.next_pack != 0) begin_pack(world, w, std::exchange(worker.next_pack, 0));
  }

  // A stalled worker does at once what it would have done, and shows that it lives.
  void wake(World& world, int w) {
    SimWorker& worker = world.workers[static_cast<std::size_t>(w)];
    worker.stalled = false;
    for (Event& event : std::exchange(worker.kept, {})) {
      event.time = now_;
      put(event);
    }
    say(world, w, {0, 0, Kind::kBeat, 0, 0, 0, worker.pack, 0, {}});
  }

  // ---- the coordinator's side, as launch/coordinator_loop.cc does it

  Worker introduced(int w) const { return {"node", "cpu", w, {}}; }

  void heard(World& world, const Event& event) {
    const auto w = static_cast<std::size_t>(event.worker);
    if (event.kind == Kind::kHello) {
      world.greeted[w] = event.life;
      return ready(world, event.worker);
    }
    const bool free = event.kind == Kind::kLeft || (event.kind == Kind::kBeat && event.pack == 0);
    const bool late = world.lost[w];
    if (late && free && sweep_.bug != Bug::kDoNotTakeBack) {
      world.lost[w] = false;
      ready(world, event.worker);
    }
    if (event.kind == Kind::kReport) report(world, event, late);
    if (event.kind == Kind::kLeft) left(world, event);
  }

  void ready(World& world, int w) { on_worker_ready(world.coordinator, {w}, introduced(w), now_, world.outbox); }

  RunResult result_of(std::int64_t run) const {
    RunResult result;
    result.id = ids_[static_cast<std::size_t>(run)];
    if (runs_[static_cast<std::size_t>(run)].fails) result.failure = "planted";
    result.seconds = runs_[static_cast<std::size_t>(run)].value;   // what stands for all its measurements
    return result;
  }

  void report(World& world, const Event& event, bool late) {
    const RunResult result = result_of(event.run);
    if (late && sweep_.bug == Bug::kCountLateResult) {
      ++world.coordinator.done;
      world.outbox.effects.push_back(LedgerEntry{RunSucceeded{{result.id, 1, event.pack, "node", "cpu", event.worker, 0, now_}, result}});
      return;
    }
    if (sweep_.bug == Bug::kCountRepeatedReport)
      if (const auto pack = world.coordinator.running.find({event.pack}); pack != world.coordinator.running.end() && std::ranges::find(pack->second.open, event.run, &Member::number) == pack->second.open.end())
        pack->second.open.push_back({event.run, result.id, 1});
    on_run_finished(world.coordinator, {event.worker}, {event.pack}, result, now_, world.outbox);
  }

  void left(World& world, const Event& event) {
    Leaving leaving = event.leaving;
    if (sweep_.bug == Bug::kStoppedIsFailed && leaving == Leaving::kStopped) leaving = Leaving::kEnded;
    const std::size_t waiting = world.coordinator.waiting.size();
    on_pack_left(world.coordinator, {event.worker}, {event.pack}, leaving, now_, world.outbox);
    if (sweep_.bug == Bug::kForgetHalfOnMemory && leaving == Leaving::kOutOfMemory && world.coordinator.waiting.size() > waiting) world.coordinator.waiting.pop_front();
  }

  void give_up(World& world, const Event& event) {
    const auto w = static_cast<std::size_t>(event.worker);
    const SimWorker& worker = world.workers[w];
    if (world.lost[w] || (worker.alive && !worker.stalled) || worker.life != event.life) return;
    ++end_.workers_lost;
    world.lost[w] = true;
    if (sweep_.bug == Bug::kForgetLostPack)
      for (auto& [id, pack] : world.coordinator.running)
        if (pack.worker == WorkerId{event.worker}) pack.open.clear();
    on_worker_lost(world.coordinator, {event.worker}, "", now_, world.outbox);
    if (std::ranges::none_of(world.workers, &SimWorker::alive)) crash(world);   // nobody is left: the launcher starts them again
  }

  void submit(World& world) {
    auto effects = std::exchange(world.outbox.effects, {});
    if (sweep_.bug == Bug::kAnswerBeforeCommit) {
      for (const Effect& effect : effects)
        if (!std::holds_alternative<LedgerEntry>(effect)) perform(world, effect);
      std::erase_if(effects, [](const Effect& effect) { return !std::holds_alternative<LedgerEntry>(effect); });
    }
    std::move(effects.begin(), effects.end(), std::back_inserter(world.submitted));
    start_commit(world);
  }

  void start_commit(World& world) {
    if (world.busy || world.submitted.empty()) return;
    world.busy = true;
    world.committing = std::exchange(world.submitted, {});
    const double fsync = sweep_.faults && draws_.chance(0.02) ? draws_.between(0, 5) : 1e-4;
    put({now_ + fsync, 0, Kind::kCommitted, world.number, 0, 0, 0, 0, {}});
  }

  void committed(World& world) {
    std::vector<LedgerEntry> entries;
    for (const Effect& effect : world.committing)
      if (const auto* entry = std::get_if<LedgerEntry>(&effect)) entries.push_back(*entry);
    if (crash_at_commit_ == 1) return crash_before_commit(world, entries);
    if (!entries.empty() && world.epoch != table_.epoch && sweep_.bug != Bug::kNoEpochCheck) {   // exit code 4
      world.alive = false;
      return;
    }
    expect(entries.empty() || world.epoch == table_.epoch, "a coordinator that was thought dead wrote into the ledger");
    for (const LedgerEntry& entry : entries) world.settled += std::visit([this](const auto& one) { return enter(one); }, entry);
    if (crash_at_commit_ == 2) return crash(world);
    for (const Effect& effect : std::exchange(world.committing, {}))
      if (!std::holds_alternative<LedgerEntry>(effect)) perform(world, effect);
    world.busy = false;
    start_commit(world);
    look_whether_through(world);
  }

  void crash_before_commit(World& world, const std::vector<LedgerEntry>& entries) {
    if (sweep_.bug == Bug::kTornCommit && world.epoch == table_.epoch && !entries.empty()) torn_apply(entries);
    crash(world);
  }

  void crash(World& world) {
    crash_at_commit_ = 0;
    ++end_.coordinators_lost;
    if (&world == &newest()) end_world(world, draws_.between(1, 10));
    else world.alive = false;
  }

  void perform(World& world, const Effect& effect) {
    if (const auto* assignment = std::get_if<Assignment>(&effect)) {
      expect(table_.packs.contains(assignment->pack.value), "a pack was handed out that the ledger does not know");
      orders_[{world.number, assignment->pack.value}] = assignment->runs;
      tell(world, static_cast<int>(assignment->worker.value), {0, 0, Kind::kOrder, 0, 0, 0, assignment->pack.value, 0, {}});
    } else if (const auto* dismissal = std::get_if<Dismissal>(&effect)) {
      world.gone[static_cast<std::size_t>(dismissal->worker.value)] = true;
      tell(world, static_cast<int>(dismissal->worker.value), {0, 0, Kind::kGoHome, 0, 0, 0, 0, 0, {}});
    } else if (const auto* halt = std::get_if<Halt>(&effect)) {
      tell(world, static_cast<int>(halt->worker.value), {0, 0, Kind::kHalt, 0, 0, 0, 0, 0, {}});
    }
  }

  void look_whether_through(World& world) {
    if (!world.alive || !finished(world.coordinator) || world.busy || !world.submitted.empty()) return;
    for (std::size_t w = 0; w < world.workers.size(); ++w)
      if (!world.gone[w] && !world.lost[w]) return;   // its greeting or word of its loss is under way
    expect(world.coordinator.done + world.coordinator.failed + world.coordinator.quarantined == world.settled, "the coordinator counts other results than it wrote into the ledger");
    if (world.stopping || retry_quarantined()) return end_world(world, 1);
    world.alive = false;
    over_ = &world == &newest();
  }

  // Workers were lost by chance here, so the user tries again what was set apart; whether there was any.
  bool retry_quarantined() {
    bool any = false;
    for (Table::Row& row : table_.rows)
      if (row.quarantined) any = true, row.state = RunState::kWaiting, row.quarantined = false, row.kills = 0;
    return any;
  }

  // ---- the ledger

  std::size_t row_of(const RunId& id) const { return static_cast<std::size_t>(std::stoi(id.substr(4))); }

  void torn_apply(const std::vector<LedgerEntry>& entries) {
    for (const LedgerEntry& entry : entries)
      if (const auto* done = std::get_if<RunSucceeded>(&entry)) {
        table_.rows[row_of(done->result.id)].state = RunState::kDone;   // its measurements would have come next
        return;
      }
  }

  // Whether an outcome was written.
  bool enter(const AttemptStarted& started) {
    for (const Attempt& one : started.members) {
      Table::Row& row = table_.rows[row_of(one.run)];
      expect(row.given_out.insert(one.number).second, "the number of an attempt was given out twice");
      row.attempts = std::max(row.attempts, one.number);
    }
    expect(table_.packs.insert(started.members.at(0).pack).second, "the number of a pack was given out twice");
    return false;
  }
  bool enter(const RunSucceeded& entry) {
    Table::Row& row = table_.rows[row_of(entry.result.id)];
    expect(!runs_[row_of(entry.result.id)].fails, "a run that fails is done");
    if (row.state == RunState::kDone) return false;
    row.state = RunState::kDone;
    row.value = entry.result.seconds;
    ++row.counted;
    return true;
  }
  bool enter(const RunFailed& entry) {
    Table::Row& row = table_.rows[row_of(entry.attempt.run)];
    expect(runs_[row_of(entry.attempt.run)].fails, "a run that does not fail is recorded as failed: " + entry.reason);
    if (row.state != RunState::kWaiting) return false;
    row.state = RunState::kFailed;
    ++row.counted;
    return true;
  }

  bool enter(const RunQuarantined& entry) {
    Table::Row& row = table_.rows[row_of(entry.attempt.run)];
    expect(row.kills >= kKillsToQuarantine, "a run was set apart that was alone with fewer lost workers");
    if (row.state != RunState::kWaiting) return false;
    row.state = RunState::kFailed;
    return row.quarantined = true;
  }
  bool enter(const AttemptsEnded& ended) {
    if (ended.how == Ending::kLost && ended.members.size() == 1) ++table_.rows[row_of(ended.members.front().run)].kills;
    return false;
  }

  // ---- what may happen

  void fault() {
    World& world = worlds_.size() > 1 && draws_.chance(0.1) ? *worlds_[static_cast<std::size_t>(draws_.below(static_cast<int>(worlds_.size())))] : newest();
    if (!world.alive || over_) return;
    const int w = draws_.below(workers_);
    switch (draws_.below(7)) {
      case 0: return kill_worker(world, w, draws_.chance(0.5));
      case 1:
      case 2: return stall_worker(world, w);
      case 3: return crash(world);
      case 4: crash_at_commit_ = 1 + draws_.below(2); return;
      case 5: return think_dead(world);
      default: return stop(world);
    }
  }

  void kill_worker(World& world, int w, bool comes_back) {
    SimWorker& worker = world.workers[static_cast<std::size_t>(w)];
    if (!worker.alive) return;
    worker.alive = false;
    put({now_ + kGivenUpAfter, 0, Kind::kGivenUp, world.number, w, worker.life, 0, 0, {}});
    if (!comes_back) return;
    ++worker.life;                       // as a new process: it says hello, and what it had is lost
    worker.alive = true;
    worker.stalled = false;
    worker.kept.clear();
    worker.pack = worker.next_pack = 0;
    world.gone[static_cast<std::size_t>(w)] = world.lost[static_cast<std::size_t>(w)] = false;
    say(world, w, {0, 0, Kind::kHello, 0, 0, 0, 0, 0, {}});
  }

  void stall_worker(World& world, int w) {
    SimWorker& worker = world.workers[static_cast<std::size_t>(w)];
    if (!worker.alive || worker.stalled) return;
    const double seconds = draws_.between(0, 3 * kGivenUpAfter);
    worker.stalled = true;
    put({now_ + seconds, 0, Kind::kStallOver, world.number, w, worker.life, 0, 0, {}});
    if (seconds > kGivenUpAfter) put({now_ + kGivenUpAfter, 0, Kind::kGivenUp, world.number, w, worker.life, 0, 0, {}});
  }

  // Another world is started while this one goes on.
  void think_dead(World& world) {
    if (&world != &newest()) return;
    ++end_.stale;
    begin_world(true);
  }

  void stop(World& world) {
    if (world.stopping) return;
    ++end_.stops;
    world.stopping = true;
    on_stop(world.coordinator, world.outbox);
    submit(world);
    look_whether_through(world);
  }

  // ---- what must hold

  std::string standing() {
    const World& world = newest();
    std::string text = world.alive ? ": " : ": no coordinator; ";
    text += std::to_string(world.coordinator.waiting.size()) + " packs wait, " + std::to_string(world.coordinator.running.size()) + " are out";
    for (std::size_t w = 0; w < world.workers.size(); ++w)
      text += "; worker " + std::to_string(w) + (world.workers[w].alive ? " lives" : " is dead") + (world.lost[w] ? ", given up" : "") + (world.gone[w] ? ", sent home" : "") +
              (world.workers[w].pack ? ", computes" : "");
    return text;
  }

  void check_end() {
    double all = 0, longest = 0;
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const Table::Row& row = table_.rows[i];
      const std::string name = ids_[i];
      expect(row.state != RunState::kWaiting, name + " was lost: nobody runs it any more");
      expect((row.state == RunState::kFailed) == runs_[i].fails, name + " has another outcome than undisturbed");
      expect(row.counted == 1, name + " counts " + std::to_string(row.counted) + " times");
      expect(row.state == RunState::kFailed || row.value == runs_[i].value, name + " has another result than undisturbed");
      all += runs_[i].seconds;
      longest = std::max(longest, runs_[i].seconds);
    }
    end_.makespan = now_;
    end_.ideal = std::max(all / workers_, longest);
  }

  const SimulatedSweep sweep_;
  Draws draws_;
  int workers_ = 1, pack_ = 1, memory_ = 1;
  std::vector<Run> runs_;
  std::vector<RunId> ids_;
  Table table_;
  std::vector<std::unique_ptr<World>> worlds_;
  std::map<std::pair<int, std::int64_t>, std::vector<std::int64_t>> orders_;   // by world and pack
  std::priority_queue<Event, std::vector<Event>, std::greater<>> queue_;
  std::uint64_t next_order_ = 0;
  std::int64_t events_ = 0;
  double now_ = 0;
  int crash_at_commit_ = 0;   // 1: before, 2: after the next
  bool over_ = false;
  SimulatedEnd end_;
};

}  // namespace

SimulatedEnd simulate(const SimulatedSweep& sweep) { return Simulation(sweep).run(); }

}  // namespace palimpsest
