#include "sweeps/coordinator.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace palimpsest {
namespace {

using Runs = std::vector<std::int64_t>;

// A pack that needs this many times what a fresh start would is given to a second worker; one of less than this many seconds never is.
constexpr double kFarLonger = 1.5, kWorthASecondWorker = 5;

// Seconds of work that are worth a hand-out, which is a commit and a message there and back; and at most so many runs, and so small a share of what
// waits: what is handed out is done again where its worker is lost.
constexpr double kMoment = 0.1, kRoundsLeft = 8;
constexpr std::int64_t kMostAtATime = 4096;

constexpr std::int64_t kFewInMany = 100;

Attempt attempt_of(const Coordinator& coordinator, PackId id, const HandedOut& pack, Member member, double finished) {
  const Worker& worker = coordinator.workers.at(pack.worker);
  return {std::move(member.id), member.attempt, id.value, worker.host, worker.device, worker.rank, pack.started, finished, member.number};
}

// --- what waits

void wait_first(Coordinator& coordinator, Pack pack) {
  if (pack.runs.empty()) return;
  coordinator.runs_waiting += static_cast<std::int64_t>(pack.runs.size());
  coordinator.waiting.push_front(std::move(pack));
}

void wait_in_halves(Coordinator& coordinator, const Pack& pack) {
  const auto middle = pack.runs.begin() + static_cast<std::ptrdiff_t>((pack.runs.size() + 1) / 2);
  wait_first(coordinator, {{middle, pack.runs.end()}, pack.signature});
  wait_first(coordinator, {{pack.runs.begin(), middle}, pack.signature});
}

// Each of so many runs, the first of them first.
void wait_in_pieces(Coordinator& coordinator, const Pack& pack, std::int64_t size) {
  for (std::int64_t end = std::ssize(pack.runs); end > 0;) {
    const std::int64_t begin = (end - 1) / size * size;
    wait_first(coordinator, {{pack.runs.begin() + begin, pack.runs.begin() + end}, pack.signature});
    end = begin;
  }
}

void keep_largest(Coordinator& coordinator, const Pack& pack) {
  std::int64_t& largest = coordinator.largest[pack.signature];
  largest = std::max(largest, static_cast<std::int64_t>(pack.runs.size()));
}

// The first pack that waits is cut only now, where none was cut before.
void cut_first(Coordinator& coordinator) {
  if (!coordinator.waiting.empty() || coordinator.rest.runs == 0) return;
  auto pack = coordinator.rest.next();
  if (!pack) throw std::logic_error("packs were promised that are not there");
  coordinator.rest.runs -= static_cast<std::int64_t>(pack->runs.size());
  keep_largest(coordinator, *pack);
  coordinator.waiting.push_back(std::move(*pack));
}

// Of the first pack that waits: all of it, or what fits into memory. From the last round on, if it is not the only one, each worker gets half of
// its part of what is left (factoring: Flynn Hummel, Schonberg and Flynn 1992), so that nobody works long after the others.
std::int64_t runs_to_hand_out(const Coordinator& coordinator) {
  const Pack& first = coordinator.waiting.front();
  auto size = static_cast<std::int64_t>(first.runs.size());
  const bool first_round = coordinator.done + coordinator.failed + coordinator.quarantined == 0;
  if (coordinator.crew > 1 && !first_round) size = std::min(size, (coordinator.runs_waiting - 1) / (2 * coordinator.crew) + 1);
  const auto most = coordinator.most.find(first.signature);
  return most == coordinator.most.end() ? size : std::min(size, most->second);
}

Pack take_waiting(Coordinator& coordinator) {
  cut_first(coordinator);
  const std::int64_t size = runs_to_hand_out(coordinator);
  coordinator.runs_waiting -= size;
  Pack& first = coordinator.waiting.front();
  Pack taken{{first.runs.begin(), first.runs.begin() + size}, first.signature};
  first.runs.erase(first.runs.begin(), first.runs.begin() + size);
  if (first.runs.empty()) coordinator.waiting.pop_front();
  return taken;
}

// How many runs keep a worker busy for a moment, by the pace of those before; never so many that others would wait for the last of them.
std::int64_t runs_for_a_moment(const Coordinator& coordinator, int signature) {
  const auto pace = coordinator.pace.find(signature);
  if (pace == coordinator.pace.end() || pace->second.first <= 0) return 0;
  const double runs = kMoment * static_cast<double>(pace->second.second) / pace->second.first;
  return static_cast<std::int64_t>(std::min(runs, static_cast<double>(coordinator.runs_waiting) / (kRoundsLeft * coordinator.crew)));
}

// Packs of the same kind that nobody had yet.
void take_more(Coordinator& coordinator, Pack& taken) {
  const std::int64_t wanted = std::min(runs_for_a_moment(coordinator, taken.signature), kMostAtATime);
  const auto most = coordinator.most.find(taken.signature);
  while (static_cast<std::int64_t>(taken.runs.size()) < wanted) {
    cut_first(coordinator);
    if (coordinator.waiting.empty()) return;
    Pack& next = coordinator.waiting.front();
    const bool too_large = most != coordinator.most.end() && static_cast<std::int64_t>(next.runs.size()) > most->second;
    if (next.signature != taken.signature || too_large || coordinator.tries.contains(next.runs.front())) return;
    coordinator.runs_waiting -= static_cast<std::int64_t>(next.runs.size());
    taken.runs.insert(taken.runs.end(), next.runs.begin(), next.runs.end());
    coordinator.waiting.pop_front();
  }
}

// What a worker gets next.
Pack take_some(Coordinator& coordinator) {
  Pack taken = take_waiting(coordinator);
  if (!coordinator.tries.contains(taken.runs.front())) take_more(coordinator, taken);
  return taken;
}

std::int64_t computed_together(const Coordinator& coordinator, const Pack& pack) {
  const auto size = static_cast<std::int64_t>(pack.runs.size());
  const auto largest = coordinator.largest.find(pack.signature), most = coordinator.most.find(pack.signature);
  return std::min({size, largest == coordinator.largest.end() ? size : largest->second, most == coordinator.most.end() ? size : most->second});
}

// --- handing out

// The members' entry precedes the assignment: from then on the ledger knows who has them.
PackId hand_out(Coordinator& coordinator, WorkerId id, Pack runs, double now, Outbox& outbox) {
  const PackId pack{coordinator.next_pack++};
  coordinator.workers.at(id).pack = pack;
  coordinator.idle.erase(id);
  HandedOut handed{id, {}, runs.signature, static_cast<std::int64_t>(runs.runs.size()), computed_together(coordinator, runs), now, 0, {}};
  AttemptStarted entry;
  entry.members.reserve(runs.runs.size());
  std::vector<RunId> ids;
  ids.reserve(runs.runs.size());
  for (std::int64_t run : runs.runs) {
    handed.open.push_back({run, coordinator.id_of(run), ++coordinator.tries[run].attempts});
    entry.members.push_back(attempt_of(coordinator, pack, handed, handed.open.back(), 0));
    ids.push_back(handed.open.back().id);
  }
  coordinator.running.emplace(pack, std::move(handed));
  outbox.effects.push_back(LedgerEntry{std::move(entry)});
  const std::int64_t together = coordinator.running.at(pack).together;
  outbox.effects.push_back(Assignment{id, pack, std::move(runs.runs), together, std::move(ids)});
  return pack;
}

void leave_idle(Coordinator& coordinator, WorkerId id) {
  coordinator.workers.at(id).pack.reset();
  coordinator.idle.insert(id);
}

void forget(Coordinator& coordinator, WorkerId id) {
  coordinator.workers.erase(id);
  coordinator.idle.erase(id);
}

// Gives idle workers what waits. Where nothing does they stay, for the runs of a worker that may yet be lost, until all is finished.
void serve_idle(Coordinator& coordinator, double now, Outbox& outbox) {
  while (!coordinator.idle.empty()) {
    const WorkerId id = *coordinator.idle.begin();
    if (!coordinator.stopping && anything_waits(coordinator)) {
      hand_out(coordinator, id, take_some(coordinator), now, outbox);
    } else if (finished(coordinator) || coordinator.stopping) {
      outbox.effects.push_back(Dismissal{id});
      forget(coordinator, id);
    } else {
      return;
    }
  }
}

// --- what comes back

// The pack, where it is this worker's; a pack of a worker that was given up is nobody's.
HandedOut* pack_of(Coordinator& coordinator, WorkerId worker, PackId pack) {
  const auto found = coordinator.running.find(pack);
  return found != coordinator.running.end() && found->second.worker == worker ? &found->second : nullptr;
}

std::optional<Member> take_member(HandedOut& pack, const RunId& id) {
  const auto found = std::ranges::find(pack.open, id, &Member::id);
  if (found == pack.open.end()) return std::nullopt;
  Member member = std::move(*found);
  pack.open.erase(found);
  return member;
}

// The run is through here: the twin need not go on with it.
void tell_twin(Coordinator& coordinator, const HandedOut& pack, const RunId& id, double now, Outbox& outbox) {
  if (!pack.twin) return;
  HandedOut& twin = coordinator.running.at(*pack.twin);
  const auto member = take_member(twin, id);
  if (!member) return;
  outbox.effects.push_back(LedgerEntry{AttemptsEnded{{attempt_of(coordinator, *pack.twin, twin, *member, now)}, Ending::kSecond}});
  if (twin.open.empty()) outbox.effects.push_back(Halt{twin.worker});
}

void settle(Coordinator& coordinator, PackId id, const HandedOut& pack, Member member, RunResult result, double now, Outbox& outbox) {
  coordinator.tries.erase(member.number);
  const RunId run = pack.twin ? member.id : RunId();
  Attempt attempt = attempt_of(coordinator, id, pack, std::move(member), now);
  if (result.failure.empty()) {
    ++coordinator.done;
    outbox.effects.emplace_back(std::in_place_type<LedgerEntry>, RunSucceeded{std::move(attempt), std::move(result)});
  } else {
    ++coordinator.failed;
    outbox.effects.push_back(LedgerEntry{RunFailed{std::move(attempt), std::move(result.failure)}});
  }
  tell_twin(coordinator, pack, run, now, outbox);
}

void fail(Coordinator& coordinator, PackId id, const HandedOut& pack, const std::string& reason, double now, Outbox& outbox) {
  for (const Member& member : pack.open) {
    RunResult result;
    result.id = member.id;
    result.failure = reason;
    settle(coordinator, id, pack, member, std::move(result), now, outbox);
  }
}

void end_attempts(const Coordinator& coordinator, PackId id, const HandedOut& pack, Ending how, double now, Outbox& outbox) {
  AttemptsEnded entry{{}, how};
  for (const Member& member : pack.open) entry.members.push_back(attempt_of(coordinator, id, pack, member, now));
  if (!entry.members.empty()) outbox.effects.push_back(LedgerEntry{std::move(entry)});
}

Pack open_runs(const HandedOut& pack) {
  Pack open{{}, pack.signature};
  for (const Member& member : pack.open) open.runs.push_back(member.number);
  return open;
}

void out_of_memory(Coordinator& coordinator, PackId id, const HandedOut& pack, double now, Outbox& outbox) {
  if (pack.members == 1) return fail(coordinator, id, pack, "out of memory, even alone. Make it smaller, or start fewer ranks on this host.", now, outbox);
  auto& most = coordinator.most.emplace(pack.signature, pack.together).first->second;
  if (pack.together <= most && pack.together > 1) outbox.effects.push_back(Shrinkage{pack.signature, most = pack.together / 2});
  end_attempts(coordinator, id, pack, Ending::kStopped, now, outbox);
  wait_first(coordinator, open_runs(pack));   // handed out in such sizes as fit
}

void close(Coordinator& coordinator, PackId id, const HandedOut& pack, Leaving leaving, double now, Outbox& outbox) {
  if (leaving == Leaving::kEnded) return fail(coordinator, id, pack, "its pack ended without a result for it", now, outbox);
  if (leaving == Leaving::kOutOfMemory) return out_of_memory(coordinator, id, pack, now, outbox);
  end_attempts(coordinator, id, pack, coordinator.stopping ? Ending::kSpared : Ending::kStopped, now, outbox);
  wait_first(coordinator, open_runs(pack));
}

void quarantine(Coordinator& coordinator, PackId id, const HandedOut& pack, const std::string& last_words, double now, Outbox& outbox) {
  const Member& guilty = pack.open.front();
  coordinator.tries.erase(guilty.number);
  ++coordinator.quarantined;
  outbox.effects.push_back(LedgerEntry{RunQuarantined{attempt_of(coordinator, id, pack, guilty, now), quarantine_reason(last_words)}});
}

struct Suspicion {
  HandedOut suspects;   // with the open runs that were being computed
  HandedOut others;     // with those whose turn had not come
};

// A worker takes the runs of its pack in order, so many at once.
Suspicion suspicion(const HandedOut& pack) {
  Suspicion found{pack, pack};
  const auto turn = std::min(static_cast<std::ptrdiff_t>(pack.together), std::ssize(pack.open));
  found.suspects.open.assign(pack.open.begin(), pack.open.begin() + turn);
  found.others.open.assign(pack.open.begin() + turn, pack.open.end());
  return found;
}

// The worker may have been further than its last report that came. So the others are handed out as they are computed: whom a second one kills, is sure.
void blame(Coordinator& coordinator, PackId id, const HandedOut& pack, const std::string& last_words, double now, Outbox& outbox) {
  const auto [suspects, others] = suspicion(pack);
  end_attempts(coordinator, id, suspects, Ending::kLost, now, outbox);
  end_attempts(coordinator, id, others, Ending::kStopped, now, outbox);
  wait_in_pieces(coordinator, open_runs(others), pack.together);
  if (suspects.open.size() != 1) return wait_in_halves(coordinator, open_runs(suspects));
  if (++coordinator.tries[suspects.open.front().number].kills < kKillsToQuarantine) return wait_first(coordinator, open_runs(suspects));
  quarantine(coordinator, id, suspects, last_words, now, outbox);
}

// Takes the pack out of what runs. Open runs that its twin has as well stay with the twin.
HandedOut taken_back(Coordinator& coordinator, PackId id, double now, Outbox& outbox) {
  HandedOut pack = coordinator.running.extract(id).mapped();
  leave_idle(coordinator, pack.worker);
  if (!pack.twin) return pack;
  coordinator.running.at(*pack.twin).twin.reset();
  pack.twin.reset();
  end_attempts(coordinator, id, pack, Ending::kStopped, now, outbox);
  pack.open.clear();
  return pack;
}

void keep_pace(Coordinator& coordinator, const HandedOut& pack, double now) {
  auto& [seconds, runs] = coordinator.pace[pack.signature];
  const double taken = now - pack.started, afresh = static_cast<double>(pack.members) * seconds / static_cast<double>(std::max<std::int64_t>(runs, 1));
  if (afresh > 0) coordinator.workers.at(pack.worker).lag = taken / afresh;
  seconds += taken;
  runs += pack.members;
}

// --- stragglers

// Seconds the pack still needs; one of which nothing was heard yet needs at least what it took so far.
double seconds_left(const HandedOut& pack, double now) {
  const double elapsed = now - pack.started;
  return pack.share > 0 ? elapsed * (1 - pack.share) / pack.share : elapsed;
}

// How many times longer than afresh, by the pace of others of its signature; 0 where it is none or nothing is known.
double lag(const Coordinator& coordinator, const HandedOut& pack, double now) {
  const auto pace = coordinator.pace.find(pack.signature);
  if (pack.twin || pack.open.empty() || pace == coordinator.pace.end() || pace->second.first <= 0) return 0;
  const double left = seconds_left(pack, now);
  const double afresh = static_cast<double>(pack.open.size()) * pace->second.first / static_cast<double>(pace->second.second);
  return left < kWorthASecondWorker ? 0 : left / afresh;
}

std::optional<PackId> straggler(const Coordinator& coordinator, double now) {
  std::optional<PackId> worst;
  double most = kFarLonger;
  for (const auto& [id, pack] : coordinator.running)
    if (const double lagging = lag(coordinator, pack, now); lagging > most) most = lagging, worst = id;
  return worst;
}

WorkerId fastest_idle(const Coordinator& coordinator) {
  return *std::ranges::min_element(coordinator.idle, {}, [&](WorkerId id) { return coordinator.workers.at(id).lag; });
}

}  // namespace

std::string quarantine_reason(const std::string& last_words) {
  return fmt::format("quarantined: {} workers were lost with it alone in their hands. {}", kKillsToQuarantine,
                     last_words.empty() ? "The last one left no word." : "Last words of the last one: " + last_words);
}

Coordinator coordinate(Backlog backlog) {
  Coordinator coordinator;
  coordinator.id_of = std::move(backlog.id_of);
  coordinator.largest = backlog.largest;
  for (const Pack& pack : backlog.packs) {
    if (!backlog.largest.contains(pack.signature)) keep_largest(coordinator, pack);
    coordinator.runs_waiting += static_cast<std::int64_t>(pack.runs.size());
  }
  coordinator.waiting.assign(std::make_move_iterator(backlog.packs.begin()), std::make_move_iterator(backlog.packs.end()));
  coordinator.rest = std::move(backlog.rest);
  coordinator.runs_waiting += coordinator.rest.runs;
  coordinator.tries = std::move(backlog.tries);
  coordinator.next_pack = backlog.next_pack;
  coordinator.crew = backlog.workers;
  return coordinator;
}

void on_worker_ready(Coordinator& coordinator, WorkerId id, const Worker& worker, double now, Outbox& outbox) {
  on_worker_lost(coordinator, id, "", now, outbox);  // one that starts over has lost what it had
  coordinator.workers[id] = worker;
  leave_idle(coordinator, id);
  coordinator.crew = std::max(coordinator.crew, static_cast<int>(coordinator.workers.size()));
  serve_idle(coordinator, now, outbox);
}

void on_run_finished(Coordinator& coordinator, WorkerId worker, PackId id, RunResult result, double now, Outbox& outbox) {
  HandedOut* pack = pack_of(coordinator, worker, id);
  if (!pack) return;
  if (auto member = take_member(*pack, result.id)) settle(coordinator, id, *pack, std::move(*member), std::move(result), now, outbox);
}

void on_progress(Coordinator& coordinator, WorkerId worker, PackId id, double share) {
  if (HandedOut* pack = pack_of(coordinator, worker, id)) pack->share = std::clamp(share, pack->share, 1.0);
}

void on_pack_left(Coordinator& coordinator, WorkerId worker, PackId id, Leaving leaving, double now, Outbox& outbox) {
  if (!pack_of(coordinator, worker, id)) return;
  const HandedOut pack = taken_back(coordinator, id, now, outbox);
  if (leaving == Leaving::kEnded) keep_pace(coordinator, pack, now);
  close(coordinator, id, pack, leaving, now, outbox);
  serve_idle(coordinator, now, outbox);
}

void on_worker_lost(Coordinator& coordinator, WorkerId id, const std::string& last_words, double now, Outbox& outbox) {
  const auto worker = coordinator.workers.find(id);
  if (worker == coordinator.workers.end()) return;
  if (const auto pack = worker->second.pack) {
    const HandedOut lost = taken_back(coordinator, *pack, now, outbox);
    if (coordinator.stopping)
      close(coordinator, *pack, lost, Leaving::kStopped, now, outbox);
    else if (!lost.open.empty())
      blame(coordinator, *pack, lost, last_words, now, outbox);
  }
  forget(coordinator, id);
  serve_idle(coordinator, now, outbox);
}

void on_worker_ending(Coordinator& coordinator, WorkerId id, double now, Outbox& outbox) {
  const auto worker = coordinator.workers.find(id);
  if (worker == coordinator.workers.end() || !worker->second.pack) return;
  end_attempts(coordinator, *worker->second.pack, coordinator.running.at(*worker->second.pack), Ending::kSpared, now, outbox);
}

void on_time_passed(Coordinator& coordinator, double now, Outbox& outbox) {
  if (coordinator.stopping || anything_waits(coordinator)) return;
  while (!coordinator.idle.empty()) {
    const auto slow = straggler(coordinator, now);
    if (!slow) return;
    const PackId twin = hand_out(coordinator, fastest_idle(coordinator), open_runs(coordinator.running.at(*slow)), now, outbox);
    coordinator.running.at(twin).twin = *slow;
    coordinator.running.at(*slow).twin = twin;
  }
}

void on_stop(Coordinator& coordinator, Outbox& outbox) {
  if (coordinator.stopping) return;
  coordinator.stopping = true;
  for (const auto& [id, worker] : coordinator.workers)
    if (worker.pack) outbox.effects.push_back(Halt{id});
  serve_idle(coordinator, 0, outbox);
}

void on_more_packs(Coordinator& coordinator, std::vector<Pack> packs, double now, Outbox& outbox) {
  coordinator.growing = !packs.empty();
  for (Pack& pack : packs) {
    keep_largest(coordinator, pack);
    coordinator.runs_waiting += static_cast<std::int64_t>(pack.runs.size());
    coordinator.waiting.push_back(std::move(pack));
  }
  serve_idle(coordinator, now, outbox);
}

bool anything_waits(const Coordinator& coordinator) { return !coordinator.waiting.empty() || coordinator.rest.runs > 0; }

bool drained(const Coordinator& coordinator) {
  return coordinator.running.empty() && (coordinator.stopping || !anything_waits(coordinator));
}

bool finished(const Coordinator& coordinator) {
  return drained(coordinator) && (coordinator.stopping || !coordinator.growing);
}

bool few_wait(const Coordinator& coordinator, const Outbox& outbox) {
  const auto orders = std::ranges::count_if(outbox.effects, [](const Effect& effect) { return std::holds_alternative<Assignment>(effect); });
  return (orders + 1) * kFewInMany <= std::ssize(coordinator.workers);
}

double runs_worth_done(const Coordinator& coordinator) {
  double worth = static_cast<double>(coordinator.done + coordinator.failed + coordinator.quarantined);
  for (const auto& [id, pack] : coordinator.running) {
    if (pack.twin && *pack.twin < id) continue;   // counted with the first
    const double reported = static_cast<double>(pack.members) - static_cast<double>(pack.open.size());
    worth += std::max(0.0, pack.share * static_cast<double>(pack.members) - reported);
  }
  return worth;
}

}  // namespace palimpsest
