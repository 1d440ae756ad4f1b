#include "tests/simulation.h"

#include <algorithm>

#include "tests/simulation_world.h"

namespace palimpsest {
namespace simulated {
namespace {

constexpr std::int64_t kMostEvents = 100'000;
constexpr int kMostFaults = 8;
constexpr double kTick = 1, kLongestQuiet = 1000;   // seconds

}  // namespace

Simulation::Simulation(const SimulatedSweep& sweep) : sweep_(sweep), draws_(sweep.seed) {
  const int runs = sweep.runs ? sweep.runs : 1 + draws_.below(40);
  workers_ = sweep.workers ? sweep.workers : 1 + draws_.below(6);
  pack_ = sweep.pack ? sweep.pack : 1 + draws_.below(6);
  memory_ = sweep.faults && draws_.chance(0.3) ? 1 + draws_.below(pack_) : pack_;
  for (int i = 0; i < runs; ++i) {
    runs_.push_back({sweep.seconds * std::exp(0.5 * draws_.normal()), sweep.faults && draws_.chance(0.05), draws_.uniform()});
    ids_.push_back(std::string(kBeforeNumber) + std::to_string(i));
  }
  table_.rows.resize(runs_.size());
  for (int left = sweep.faults ? draws_.below(kMostFaults + 1) : 0; left > 0; --left) put({draws_.between(0, expected() * 1.5), 0, Kind::kFault, -1, 0, 0, 0, 0, {}});
}

SimulatedEnd Simulation::run() {
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

double Simulation::expected() const {
  double all = 0;
  for (const Run& run : runs_) all += run.seconds;
  return 1 + all / workers_;
}

void Simulation::put(Event event) {
  event.order = next_order_++;
  queue_.push(event);
}

void Simulation::step() {
  if (queue_.empty()) throw Violation("nothing happens any more, and the sweep is not through" + standing());
  const Event event = queue_.top();
  queue_.pop();
  now_ = event.time;
  if (event.kind != Kind::kTick) last_news_ = now_;
  if (++events_ > kMostEvents + 100 * std::ssize(runs_) && sweep_.faults) throw Violation("the sweep does not come to an end");
  if (event.kind == Kind::kFault) return fault();
  if (event.kind == Kind::kNewWorld) return begin_world();
  World& world = *worlds_[static_cast<std::size_t>(event.world)];
  if (world.alive) handle(world, event);
}

void Simulation::begin_world(bool beside) {
  if (over_ || (!beside && !worlds_.empty() && newest().alive)) return;
  ++end_.worlds;
  worlds_.push_back(std::make_unique<World>());
  World& world = newest();
  world.number = static_cast<std::int16_t>(end_.worlds - 1);
  world.epoch = ++table_.epoch;
  world.workers.resize(static_cast<std::size_t>(workers_));
  world.lost.assign(world.workers.size(), false);
  world.gone.assign(world.workers.size(), false);
  world.greeted.assign(world.workers.size(), 0);
  for (SimWorker& worker : world.workers) worker.speed = sweep_.faults && draws_.chance(0.1) ? 0.1 : 1;
  world.coordinator = coordinator_from_ledger();
  world.first_pack = world.coordinator.next_pack;
  for (int w = 0; w < workers_; ++w) say(world, w, {0, 0, Kind::kHello, 0, 0, 0, 0, 0, {}});
  put({now_ + kTick, 0, Kind::kTick, world.number, 0, 0, 0, 0, {}});
}

void Simulation::tick(World& world) {
  if (now_ > last_news_ + kLongestQuiet) throw Violation("nothing happens any more, and the sweep is not through" + standing());
  on_time_passed(world.coordinator, now_, world.outbox);
  put({now_ + kTick, 0, Kind::kTick, world.number, 0, 0, 0, 0, {}});
}

// Workers, each by its speed.
double Simulation::capacity() {
  double sum = 0;
  for (const SimWorker& worker : newest().workers) sum += worker.speed;
  return sum;
}

Coordinator Simulation::coordinator_from_ledger() {
  Backlog backlog{[this](std::int64_t run) { return ids_[static_cast<std::size_t>(run)]; }, {}, {}, 1, workers_};
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const Table::Row& row = table_.rows[i];
    if (sweep_.bug != Bug::kForgetAttempts && row.attempts > 0) backlog.tries[static_cast<std::int64_t>(i)] = {row.attempts, row.kills, 0};
    if (row.state != RunState::kWaiting || (sweep_.bug == Bug::kStartedIsDone && row.attempts > 0)) continue;
    if (backlog.packs.empty() || static_cast<int>(backlog.packs.back().runs.size()) == pack_) backlog.packs.emplace_back();
    backlog.packs.back().runs.push_back(static_cast<std::int64_t>(i));
  }
  backlog.next_pack = table_.packs.empty() || sweep_.bug == Bug::kForgetPackNumbers ? 1 : std::ssize(table_.packs);
  return coordinate(std::move(backlog));
}

// Its workers see within seconds that it is gone.
void Simulation::end_world(World& world, double pause) {
  world.alive = false;
  put({now_ + pause, 0, Kind::kNewWorld, 0, 0, 0, 0, 0, {}});
}

void Simulation::handle(World& world, const Event& event) {
  switch (event.kind) {
    case Kind::kCommitted: return committed(world);
    case Kind::kHello:
    case Kind::kReport:
    case Kind::kLeft:
    case Kind::kBeat: heard(world, event); break;
    case Kind::kGivenUp: give_up(world, event); break;
    case Kind::kTick: tick(world); break;
    default: return at_worker(world, event);
  }
  submit(world);
  look_whether_through(world);
}

void Simulation::fault() {
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

// Another world is started while this one goes on.
void Simulation::think_dead(World& world) {
  if (&world != &newest()) return;
  ++end_.stale;
  begin_world(true);
}

void Simulation::stop(World& world) {
  if (world.stopping) return;
  ++end_.stops;
  world.stopping = true;
  on_stop(world.coordinator, world.outbox);
  submit(world);
  look_whether_through(world);
}

std::string Simulation::standing() {
  const World& world = newest();
  std::string text = world.alive ? ": " : ": no coordinator; ";
  text += std::to_string(world.coordinator.waiting.size()) + " packs wait, " + std::to_string(world.coordinator.running.size()) + " are out";
  for (std::size_t w = 0; w < world.workers.size(); ++w)
    text += "; worker " + std::to_string(w) + (world.workers[w].alive ? " lives" : " is dead") + (world.lost[w] ? ", given up" : "") + (world.gone[w] ? ", sent home" : "") +
            (world.workers[w].pack ? ", computes" : "");
  return text;
}

void Simulation::check_end() {
  double all = 0, longest = 0;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const Table::Row& row = table_.rows[i];
    const std::string& name = ids_[i];
    expect(row.state != RunState::kWaiting, " was lost: nobody runs it any more", name);
    expect((row.state == RunState::kFailed) == runs_[i].fails, " has another outcome than undisturbed", name);
    expect(row.counted > 0, " does not count", name);
    expect(row.counted < 2, " counts more than once", name);
    expect(row.state == RunState::kFailed || row.value == runs_[i].value, " has another result than undisturbed", name);
    all += runs_[i].seconds;
    longest = std::max(longest, runs_[i].seconds);
  }
  end_.makespan = now_;
  end_.ideal = std::max(all / capacity(), longest);
}

}  // namespace simulated

SimulatedEnd simulate(const SimulatedSweep& sweep) { return simulated::Simulation(sweep).run(); }

}  // namespace palimpsest
