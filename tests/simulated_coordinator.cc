// The coordinator's side, as launch/coordinator_loop.cc does it, and a ledger that is a table in memory with the real one's rules.

#include <algorithm>
#include <charconv>

#include "tests/simulation_world.h"

namespace palimpsest::simulated {

Worker Simulation::introduced(int w) const { return {"node", "cpu", w, {}}; }

void Simulation::heard(World& world, const Event& event) {
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

void Simulation::ready(World& world, int w) { on_worker_ready(world.coordinator, {w}, introduced(w), now_, world.outbox); }

RunResult Simulation::result_of(std::int64_t run) const {
  RunResult result;
  result.id = ids_[static_cast<std::size_t>(run)];
  if (runs_[static_cast<std::size_t>(run)].fails) result.failure = "planted";
  result.seconds = runs_[static_cast<std::size_t>(run)].value;   // what stands for all its measurements
  return result;
}

void Simulation::report(World& world, const Event& event, bool late) {
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

void Simulation::left(World& world, const Event& event) {
  Leaving leaving = event.leaving;
  if (sweep_.bug == Bug::kStoppedIsFailed && leaving == Leaving::kStopped) leaving = Leaving::kEnded;
  const std::size_t waiting = world.coordinator.waiting.size();
  on_pack_left(world.coordinator, {event.worker}, {event.pack}, leaving, now_, world.outbox);
  if (sweep_.bug == Bug::kForgetHalfOnMemory && leaving == Leaving::kOutOfMemory && world.coordinator.waiting.size() > waiting) world.coordinator.waiting.pop_front();
}

void Simulation::give_up(World& world, const Event& event) {
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

void Simulation::submit(World& world) {
  auto& effects = world.outbox.effects;
  if (sweep_.bug == Bug::kAnswerBeforeCommit) {
    for (const Effect& effect : effects)
      if (!std::holds_alternative<LedgerEntry>(effect)) perform(world, effect);
    std::erase_if(effects, [](const Effect& effect) { return !std::holds_alternative<LedgerEntry>(effect); });
  }
  std::move(effects.begin(), effects.end(), std::back_inserter(world.submitted));
  effects.clear();
  start_commit(world);
}

void Simulation::start_commit(World& world) {
  if (world.busy || world.submitted.empty()) return;
  world.busy = true;
  world.committing.swap(world.submitted);
  const double fsync = sweep_.faults && draws_.chance(0.02) ? draws_.between(0, 5) : 1e-4;
  put({now_ + fsync, 0, Kind::kCommitted, world.number, 0, 0, 0, 0, {}});
}

void Simulation::committed(World& world) {
  const bool writes = std::ranges::any_of(world.committing, [](const Effect& effect) { return std::holds_alternative<LedgerEntry>(effect); });
  if (crash_at_commit_ == 1) return crash_before_commit(world, writes);
  if (writes && world.epoch != table_.epoch && sweep_.bug != Bug::kNoEpochCheck) {   // exit code 4
    world.alive = false;
    return;
  }
  expect(!writes || world.epoch == table_.epoch, "a coordinator that was thought dead wrote into the ledger");
  for (const Effect& effect : world.committing)
    if (const auto* entry = std::get_if<LedgerEntry>(&effect)) world.settled += std::visit([this](const auto& one) { return enter(one); }, *entry);
  if (crash_at_commit_ == 2) return crash(world);
  for (const Effect& effect : world.committing)
    if (!std::holds_alternative<LedgerEntry>(effect)) perform(world, effect);
  world.committing.clear();
  world.busy = false;
  start_commit(world);
  look_whether_through(world);
}

void Simulation::crash_before_commit(World& world, bool writes) {
  if (sweep_.bug == Bug::kTornCommit && world.epoch == table_.epoch && writes) torn_apply(world.committing);
  crash(world);
}

void Simulation::crash(World& world) {
  crash_at_commit_ = 0;
  ++end_.coordinators_lost;
  if (&world == &newest()) end_world(world, draws_.between(1, 10));
  else world.alive = false;
}

void Simulation::perform(World& world, const Effect& effect) {
  if (const auto* assignment = std::get_if<Assignment>(&effect)) {
    expect(table_.knows(assignment->pack.value), "a pack was handed out that the ledger does not know");
    const auto place = static_cast<std::size_t>(assignment->pack.value - world.first_pack);
    world.orders.resize(std::max(world.orders.size(), place + 1));
    world.orders[place] = assignment->runs;
    tell(world, static_cast<int>(assignment->worker.value), {0, 0, Kind::kOrder, 0, 0, 0, static_cast<int>(assignment->pack.value), 0, {}});
  } else if (const auto* dismissal = std::get_if<Dismissal>(&effect)) {
    world.gone[static_cast<std::size_t>(dismissal->worker.value)] = true;
    tell(world, static_cast<int>(dismissal->worker.value), {0, 0, Kind::kGoHome, 0, 0, 0, 0, 0, {}});
  } else if (const auto* halt = std::get_if<Halt>(&effect)) {
    tell(world, static_cast<int>(halt->worker.value), {0, 0, Kind::kHalt, 0, 0, 0, 0, 0, {}});
  }
}

void Simulation::look_whether_through(World& world) {
  if (!world.alive || !finished(world.coordinator) || world.busy || !world.submitted.empty()) return;
  for (std::size_t w = 0; w < world.workers.size(); ++w)
    if (!world.gone[w] && !world.lost[w]) return;   // its greeting or word of its loss is under way
  expect(world.coordinator.done + world.coordinator.failed + world.coordinator.quarantined == world.settled, "the coordinator counts other results than it wrote into the ledger");
  if (world.stopping || retry_quarantined()) return end_world(world, 1);
  world.alive = false;
  over_ = &world == &newest();
}

// Workers were lost by chance here, so the user tries again what was set apart; whether there was any.
bool Simulation::retry_quarantined() {
  bool any = false;
  for (Table::Row& row : table_.rows)
    if (row.quarantined) any = true, row.state = RunState::kWaiting, row.quarantined = false, row.kills = 0;
  return any;
}

std::size_t Simulation::row_of(const RunId& id) const {
  std::size_t number = 0;
  std::from_chars(id.data() + kBeforeNumber.size(), id.data() + id.size(), number);
  return number;
}

void Simulation::torn_apply(const std::vector<Effect>& effects) {
  for (const Effect& effect : effects)
    if (const auto* entry = std::get_if<LedgerEntry>(&effect))
      if (const auto* done = std::get_if<RunSucceeded>(entry)) {
        table_.rows[row_of(done->result.id)].state = RunState::kDone;   // its measurements would have come next
        return;
      }
}

// Whether an outcome was written.
bool Simulation::enter(const AttemptStarted& started) {
  for (const Attempt& one : started.members) {
    Table::Row& row = table_.rows[row_of(one.run)];
    expect(one.number < 64, "a run was tried without end");
    expect(!(row.given_out >> one.number & 1), "the number of an attempt was given out twice");
    row.given_out |= std::uint64_t{1} << one.number;
    row.attempts = std::max(row.attempts, one.number);
  }
  expect(!table_.knows(started.members.at(0).pack), "the number of a pack was given out twice");
  table_.add(started.members.at(0).pack);
  return false;
}

bool Simulation::enter(const RunSucceeded& entry) {
  Table::Row& row = table_.rows[row_of(entry.result.id)];
  expect(!runs_[row_of(entry.result.id)].fails, "a run that fails is done");
  if (row.state == RunState::kDone) return false;
  row.state = RunState::kDone;
  row.value = entry.result.seconds;
  ++row.counted;
  return true;
}

bool Simulation::enter(const RunFailed& entry) {
  Table::Row& row = table_.rows[row_of(entry.attempt.run)];
  expect(runs_[row_of(entry.attempt.run)].fails, ": a run that does not fail is recorded as failed", entry.reason);
  if (row.state != RunState::kWaiting) return false;
  row.state = RunState::kFailed;
  ++row.counted;
  return true;
}

bool Simulation::enter(const RunQuarantined& entry) {
  Table::Row& row = table_.rows[row_of(entry.attempt.run)];
  expect(row.kills >= kKillsToQuarantine, "a run was set apart that was alone with fewer lost workers");
  if (row.state != RunState::kWaiting) return false;
  row.state = RunState::kFailed;
  return row.quarantined = true;
}

bool Simulation::enter(const AttemptsEnded& ended) {
  if (ended.how == Ending::kLost && ended.members.size() == 1) ++table_.rows[row_of(ended.members.front().run)].kills;
  return false;
}

}  // namespace palimpsest::simulated
