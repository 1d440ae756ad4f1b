#pragma once

// The inside of tests/simulation.h: its clock, mail, workers and ledger, around the real coordinator.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sweeps/coordinator.h"
#include "tests/simulation.h"

namespace palimpsest::simulated {

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

// The promise with the name of what it is about, which is put together only where it is broken.
inline void expect(bool holds, std::string_view promise, std::string_view of = "") {
  if (!holds) throw Violation(std::string(of).append(promise));
}

// The ledger's rules without SQLite: one newest epoch, whole transactions, a result counts once, a success replaces a failure.
struct Table {
  struct Row {
    RunState state = RunState::kWaiting;
    double value = 0;
    int attempts = 0, counted = 0;          // results that were taken
    std::uint64_t given_out = 0;            // attempt numbers, a bit for each
    int kills = 0;                          // workers that were lost with it alone in their hands
    bool quarantined = false;
  };
  std::vector<Row> rows;
  std::vector<bool> packs;                  // by number, which count from 1: whether it is known
  std::int64_t epoch = 0;

  bool knows(std::int64_t pack) const { return pack < std::ssize(packs) && packs[static_cast<std::size_t>(pack)]; }
  void add(std::int64_t pack) {
    packs.resize(std::max(packs.size(), static_cast<std::size_t>(pack) + 1));
    packs[static_cast<std::size_t>(pack)] = true;
  }
};

inline constexpr std::string_view kBeforeNumber = "run ";   // of a run, in its id

struct Run {
  double seconds = 1;
  bool fails = false;
  double value = 0;
};

enum class Kind : std::uint8_t { kHello, kReport, kLeft, kBeat, kOrder, kGoHome, kHalt, kComputed, kCommitted, kGivenUp, kFault, kStallOver, kNewWorld, kTick };

struct Event {
  double time;
  std::uint64_t order;
  Kind kind;
  std::int16_t world;
  int worker, life, pack, run;
  Leaving leaving;
  bool operator>(const Event& other) const { return time != other.time ? time > other.time : order > other.order; }
};

struct SimWorker {
  bool alive = true, stalled = false;
  int life = 0;                             // events of an earlier life are void
  double speed = 1, last_arrival = 0, last_order = 0;
  int pack = 0;
  std::vector<std::int64_t> runs;
  std::size_t next = 0;
  int next_pack = 0;                       // an order that came while it computed: one that was given up gets another pack
  std::vector<Event> kept;                  // what it would have done while it was stalled
};

// A coordinator and its workers: one `mpirun`.
struct World {
  std::int16_t number = 0;
  std::int64_t epoch = 0;
  bool alive = true, stopping = false;
  Coordinator coordinator;
  std::int64_t first_pack = 1;
  std::vector<std::vector<std::int64_t>> orders;   // the runs of each pack from the first on, until its worker has it
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
  explicit Simulation(const SimulatedSweep&);
  SimulatedEnd run();

 private:
  // simulation.cc: what comes next, worlds, faults, and what must hold at the end.
  double expected() const;
  void put(Event event);
  void step();
  void begin_world(bool beside = false);
  void tick(World& world);
  double capacity();
  Coordinator coordinator_from_ledger();
  void end_world(World& world, double pause);
  void handle(World& world, const Event& event);
  void fault();
  void think_dead(World& world);
  void stop(World& world);
  std::string standing();
  void check_end();
  World& newest() { return *worlds_.back(); }

  // simulated_worker.cc: mail, and what a worker does.
  double travel();
  void say(World& world, int w, Event event);
  void tell(World& world, int w, Event event);
  void at_worker(World& world, const Event& event);
  void order(World& world, const Event& event);
  void begin_pack(World& world, int w, int pack);
  void compute_next(World& world, int w);
  void computed(World& world, const Event& event);
  void leave(World& world, int w, Leaving leaving);
  void wake(World& world, int w);
  void kill_worker(World& world, int w, bool comes_back);
  void stall_worker(World& world, int w);

  // simulated_coordinator.cc: the coordinator's side, as launch/coordinator_loop.cc does it, and the ledger's rules.
  Worker introduced(int w) const;
  void heard(World& world, const Event& event);
  void ready(World& world, int w);
  RunResult result_of(std::int64_t run) const;
  void report(World& world, const Event& event, bool late);
  void left(World& world, const Event& event);
  void give_up(World& world, const Event& event);
  void submit(World& world);
  void start_commit(World& world);
  void committed(World& world);
  void crash_before_commit(World& world, bool writes);
  void crash(World& world);
  void perform(World& world, const Effect& effect);
  void look_whether_through(World& world);
  bool retry_quarantined();
  std::size_t row_of(const RunId& id) const;
  void torn_apply(const std::vector<Effect>& effects);
  bool enter(const AttemptStarted& started);
  bool enter(const RunSucceeded& entry);
  bool enter(const RunFailed& entry);
  bool enter(const RunQuarantined& entry);
  bool enter(const AttemptsEnded& ended);
  bool enter(const FactsOfHost&) { return false; }   // it is of no run

  const SimulatedSweep sweep_;
  Draws draws_;
  int workers_ = 1, pack_ = 1, memory_ = 1;
  std::vector<Run> runs_;
  std::vector<RunId> ids_;
  Table table_;
  std::vector<std::unique_ptr<World>> worlds_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> queue_;
  std::uint64_t next_order_ = 0;
  std::int64_t events_ = 0;
  double now_ = 0, last_news_ = 0;   // that something but the clock's tick happened
  int crash_at_commit_ = 0;   // 1: before, 2: after the next
  bool over_ = false;
  SimulatedEnd end_;
};

}  // namespace palimpsest::simulated
