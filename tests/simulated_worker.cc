// Mail between a coordinator and its workers (in order between two ranks, at any time otherwise), and what a worker does with it.

#include <algorithm>

#include "tests/simulation_world.h"

namespace palimpsest::simulated {
namespace {

constexpr double kGivenUpAfter = 30;   // seconds without a word

}  // namespace

double Simulation::travel() { return sweep_.faults && draws_.chance(0.02) ? draws_.between(0, 20) : draws_.between(1e-5, 1e-3); }

void Simulation::say(World& world, int w, Event event) {
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

void Simulation::tell(World& world, int w, Event event) {
  SimWorker& worker = world.workers[static_cast<std::size_t>(w)];
  worker.last_order = std::max(worker.last_order, now_ + travel());
  event.time = worker.last_order;
  event.world = world.number;
  event.worker = w;
  event.life = world.greeted[static_cast<std::size_t>(w)];
  put(event);
}

void Simulation::at_worker(World& world, const Event& event) {
  SimWorker& worker = world.workers[static_cast<std::size_t>(event.worker)];
  if (!worker.alive || event.life != worker.life) return;
  if (event.kind == Kind::kStallOver) return wake(world, event.worker);
  if (worker.stalled) return worker.kept.push_back(event);
  if (event.kind == Kind::kOrder) order(world, event);
  if (event.kind == Kind::kComputed) computed(world, event);
  if (event.kind == Kind::kHalt && worker.pack != 0) leave(world, event.worker, Leaving::kStopped);
  if (event.kind == Kind::kGoHome) worker.alive = false;
}

void Simulation::order(World& world, const Event& event) {
  SimWorker& worker = world.workers[static_cast<std::size_t>(event.worker)];
  if (worker.pack != 0) worker.next_pack = event.pack;
  else begin_pack(world, event.worker, event.pack);
}

void Simulation::begin_pack(World& world, int w, int pack) {
  SimWorker& worker = world.workers[static_cast<std::size_t>(w)];
  worker.pack = pack;
  worker.runs = std::move(world.orders.at(static_cast<std::size_t>(pack - world.first_pack)));
  worker.next = 0;
  if (static_cast<int>(worker.runs.size()) > memory_) {
    ++end_.out_of_memory;
    return leave(world, w, Leaving::kOutOfMemory);
  }
  compute_next(world, w);
}

void Simulation::compute_next(World& world, int w) {
  SimWorker& worker = world.workers[static_cast<std::size_t>(w)];
  if (worker.next == worker.runs.size()) return leave(world, w, Leaving::kEnded);
  const Run& run = runs_[static_cast<std::size_t>(worker.runs[worker.next])];
  put({now_ + run.seconds / worker.speed, 0, Kind::kComputed, world.number, w, worker.life, worker.pack, static_cast<int>(worker.runs[worker.next]), {}});
}

void Simulation::computed(World& world, const Event& event) {
  SimWorker& worker = world.workers[static_cast<std::size_t>(event.worker)];
  if (event.pack != worker.pack) return;   // it was halted before
  ++worker.next;
  say(world, event.worker, {0, 0, Kind::kReport, 0, 0, 0, event.pack, event.run, {}});
  compute_next(world, event.worker);
}

void Simulation::leave(World& world, int w, Leaving leaving) {
  SimWorker& worker = world.workers[static_cast<std::size_t>(w)];
  say(world, w, {0, 0, Kind::kLeft, 0, 0, 0, worker.pack, 0, leaving});
  worker.pack = 0;
  if (worker.next_pack != 0) begin_pack(world, w, std::exchange(worker.next_pack, 0));
}

// A stalled worker does at once what it would have done, and shows that it lives.
void Simulation::wake(World& world, int w) {
  SimWorker& worker = world.workers[static_cast<std::size_t>(w)];
  worker.stalled = false;
  for (Event& event : std::exchange(worker.kept, {})) {
    event.time = now_;
    put(event);
  }
  say(world, w, {0, 0, Kind::kBeat, 0, 0, 0, worker.pack, 0, {}});
}

void Simulation::kill_worker(World& world, int w, bool comes_back) {
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

void Simulation::stall_worker(World& world, int w) {
  SimWorker& worker = world.workers[static_cast<std::size_t>(w)];
  if (!worker.alive || worker.stalled) return;
  const double seconds = draws_.between(0, 3 * kGivenUpAfter);
  worker.stalled = true;
  put({now_ + seconds, 0, Kind::kStallOver, world.number, w, worker.life, 0, 0, {}});
  if (seconds > kGivenUpAfter) put({now_ + kGivenUpAfter, 0, Kind::kGivenUp, world.number, w, worker.life, 0, 0, {}});
}

}  // namespace palimpsest::simulated
