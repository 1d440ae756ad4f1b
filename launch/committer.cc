#include "launch/committer.h"

#include "runtime/crash_point.h"
#include "sweeps/snapshot.h"

namespace palimpsest {
namespace {

bool has_result(const std::vector<LedgerEntry>& entries) {
  for (const LedgerEntry& entry : entries)
    if (!std::holds_alternative<AttemptStarted>(entry) && !std::holds_alternative<FactsOfHost>(entry)) return true;
  return false;
}

}  // namespace

Committer::Committer(Ledger& ledger, std::filesystem::path snapshots, std::function<void(Cleared)> tell)
    : ledger_(ledger), snapshots_(std::move(snapshots)), tell_(std::move(tell)), thread_([this] { work(); }) {}

Committer::~Committer() {
  submitted_.put({});
  thread_.join();
}

void Committer::submit(std::vector<Effect> effects) {
  if (!effects.empty()) submitted_.put(std::move(effects));
}

void Committer::work() {
  for (bool open = true, sound = true; open;) {
    auto submitted = submitted_.take(std::chrono::seconds(1));
    open = std::erase_if(submitted, [](const auto& effects) { return effects.empty(); }) == 0;
    if (submitted.empty() || !sound) continue;
    Cleared cleared = commit(std::move(submitted));
    sound = !cleared.error;
    tell_(std::move(cleared));
  }
}

void Committer::forget_snapshots(const std::vector<LedgerEntry>& entries) const {
  if (!std::filesystem::exists(snapshots_)) return;
  for (const LedgerEntry& entry : entries) {
    if (const auto* done = std::get_if<RunSucceeded>(&entry)) remove_snapshot(snapshots_, done->attempt.run);
    if (const auto* failed = std::get_if<RunFailed>(&entry)) remove_snapshot(snapshots_, failed->attempt.run);
    if (const auto* guilty = std::get_if<RunQuarantined>(&entry)) remove_snapshot(snapshots_, guilty->attempt.run);
  }
}

Committer::Cleared Committer::commit(std::vector<std::vector<Effect>> submitted) {
  Cleared cleared;
  for (const auto& effects : submitted) cleared.effects_taken += std::ssize(effects);
  std::vector<LedgerEntry> entries;
  entries.reserve(static_cast<std::size_t>(cleared.effects_taken));
  for (auto& effects : submitted)
    for (Effect& effect : effects) {
      if (auto* entry = std::get_if<LedgerEntry>(&effect))
        entries.push_back(std::move(*entry));
      else
        cleared.effects.push_back(std::move(effect));
    }
  try {
    if (!entries.empty()) ledger_.commit(entries);
    if (has_result(entries)) crash_point("after-commit");
    forget_snapshots(entries);
  } catch (...) {
    cleared.effects.clear();
    cleared.error = std::current_exception();
  }
  return cleared;
}

}  // namespace palimpsest
