#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "runtime/shared_text.h"
#include "sweeps/definition.h"
#include "sweeps/run_set.h"

namespace palimpsest {

class Plan;

/// Where and how a result came to be.
struct Attempt {
  RunId run;
  int number = 1;
  std::int64_t pack = 0;
  SharedText host, device;
  int rank = 0;
  double started = 0, finished = 0;   // seconds since 1970
  std::int64_t place = -1;            // the run's number in the plan: what is written first of a run makes its row
};

/// What the coordinator writes, in order. A result counts when the transaction that holds it is committed.
struct AttemptStarted { std::vector<Attempt> members; };          // a pack is handed out: its members are known from here on
struct RunSucceeded { Attempt attempt; RunResult result; };
struct RunFailed { Attempt attempt; std::string reason; };
struct RunQuarantined { Attempt attempt; std::string reason; };   // it is not handed out again
/// Attempts that ended without a result: another worker had it first; stopped in order; ended with their worker; stopped with the whole world, the
/// worker being well.
enum class Ending { kSecond = 3, kStopped, kLost, kSpared };
struct AttemptsEnded { std::vector<Attempt> members; Ending how = Ending::kStopped; };
struct FactsOfHost { std::map<std::string, std::string> facts; };   // that are not rank 0's, for the session's provenance (other_facts)
using LedgerEntry = std::variant<AttemptStarted, RunSucceeded, RunFailed, RunQuarantined, AttemptsEnded, FactsOfHost>;

enum class RunState { kWaiting, kDone, kFailed };

/// A run as the ledger knows it.
struct LedgerRun {
  RunSpec spec;
  RunState state = RunState::kWaiting;
  int attempts = 0;
  bool quarantined = false;           // failed, as it was alone with workers that were lost: --retry-failed leaves it alone
  std::string reason;                 // of the last failure
  std::string host, device;           // of the attempt that counts, as are started, finished and seconds
  double started = 0, finished = 0;   // seconds since 1970
  double seconds = 0;                 // its share of its pack's time
  bool asked = true;                  // by the definition as it is now
  std::int64_t number = -1;           // its place in the plan, from 0; -1: it is no longer asked for
  std::int64_t row = 0;               // in its ledger; 0: it has none yet
};

/// What a measurement is given to, with the place of its run among those that were asked about.
using TakeMeasurement = std::function<void(std::size_t run, const Measurement&)>;
using Takers = std::map<std::string, TakeMeasurement>;   // by metric

/// Runs that were open in the hands of a worker that was lost.
struct LostPack {
  std::vector<RunId> runs;
  int rank = 0;
};
struct RunRecord;

/// A run that has a row, as that alone tells it.
struct RunRow {
  RunId id;
  std::int64_t number = -1;           // its place in the plan; -1: it is not there
  bool was_asked = false;             // by the definition that is recorded
  RunState state = RunState::kWaiting;
  bool quarantined = false;
  int attempts = 0;
  double seconds = 0;
};

struct LedgerClaim {
  Claim claim;
  bool exploratory = false;           // added after its first run was done
  bool withdrawn = false;             // taken out of the definition after a run was done: it stays in the correction
};

/// A part of a sweep that a job array runs into a ledger of its own: every of-th run, from the number-th on.
struct Slice {
  std::int64_t number = 1, of = 1;
  bool operator==(const Slice&) const = default;
};

/// A sweep's progress: one SQLite file `ledger.sqlite` in the results folder (WAL, synchronous FULL), written by one coordinator
/// (tables: ledger_schema.cc). A run has a row once there is more to say of it than that it was handed out; the others are what the definition asks for beside these, and are computed
/// from the plan, as it was recorded, when somebody wants to see them.
///
/// The writer holds a lock on `ledger.lock` beside it and an epoch that every transaction checks: a second coordinator gets
/// LedgerHeld (exit code 4), and one that was thought dead cannot write any more. Readers need neither, may read at
/// any time, and see the ledger as it was when they opened it.
/// Every function throws InputError where the file is no ledger, is damaged or was written by a newer program, and Interrupted where
/// the disk is full; nothing of a transaction that throws is in the ledger.
class Ledger {
 public:
  /// Opens or creates for writing, with a new epoch; waits up to `patience` seconds for a writer that is about to end.
  static Ledger open_for_writing(const std::filesystem::path& folder, double patience = 0);
  static Ledger open_for_reading(const std::filesystem::path& folder);   // throws InputError where there is none
  /// Several slices of one sweep as one: a run that two of them have counts once, done rather than not. Throws InputError where they are not
  /// of one study and definition.
  static Ledger open_for_reading(const std::vector<std::filesystem::path>& folders);
  static bool held(const std::filesystem::path& folder);                 // whether a coordinator is at work on it now
  Ledger(Ledger&&) noexcept;
  ~Ledger();

  // Writing, from one thread.

  /// Records which runs of the plan are asked for now; those that have a row are looked at only where that is something else than before. Records
  /// the definition's claims: one that was recorded before keeps its status, a new one is exploratory where any run is done already, and one that is
  /// gone then is withdrawn. Throws InputError where the ledger is of another study or slice (all of a sweep may follow a slice of it).
  void record_definition(const Plan&, const RunSet& asked, const std::map<std::string, std::string>& provenance, Slice = {});
  /// One transaction. A second result of a run is dropped (but a success replaces a failure).
  void commit(std::span<const LedgerEntry> entries);
  void retry_failed();                                        // failed runs wait again
  void retry_quarantined();                                   // and those in quarantine, with no worker on their account
  /// Ends the attempts that earlier sessions left without an outcome. A coordinator that outlived the loss had ended those of the workers that
  /// were well, so the others were lost with theirs; where it was itself lost, nothing is known of workers but that its own is gone.
  void end_left_attempts();
  void quarantine(const RunId&, const std::string& reason);

  // Reading. Runs are those the definition asks for now, sorted by id; `all`: also those it no longer asks for.
  bool has_definition() const;                                // false: its coordinator was stopped before it recorded one
  std::string study() const;
  std::string name() const;
  /// Of the sessions whose attempts count, each once, in order; where no run is done, of the last session.
  std::vector<std::map<std::string, std::string>> provenances() const;
  double session_started() const;                             // when the last coordinator began, seconds since 1970
  std::string definition_text() const;                        // resolved.toml
  std::vector<std::string> axes() const;                      // keys of the grid: what distinguishes conditions
  std::vector<LedgerClaim> claims() const;                    // in the order of the definition, then those withdrawn
  std::vector<Slice> slices() const;                          // that are here, sorted; {1, 1}: all of the sweep
  /// How many units of inference were asked for: as planned before the first result, then each other number after it.
  std::vector<std::int64_t> units_asked() const;
  std::vector<LedgerRun> runs(bool all = false) const;
  /// The same with these keys of their settings alone: many runs are small then.
  std::vector<LedgerRun> runs_with(const std::set<std::string>& keys, bool all = false) const;
  std::vector<LedgerRun> runs_handed_out(bool all = false) const;   // those that have a row
  /// Rows alone, as they come; numbers are places in this plan, which need not be the one that is recorded.
  void for_each_row(const Plan&, const std::function<void(const RunRow&)>&) const;
  const Plan& plan() const;                                   // as it was recorded: opens no input
  RunSet asked() const;                                       // numbers of that plan
  RunSet without_row() const;                                 // those of them that have none: never handed out, or in flight for the first time
  std::vector<std::string> metrics() const;                   // sorted
  void for_each_measurement(const std::string& metric, const std::function<void(const RunId&, const Measurement&)>&) const;
  /// Of several metrics, and of those of these runs that are done: run after run, in the order of the plan. The file holds them about so, and is gone
  /// through once. Many runs are read by a thread for each core: what takes a metric is called by one thread, others by other threads at the same time.
  void for_each_measurement_of(std::span<const LedgerRun> runs, const Takers&) const;
  std::vector<Measurement> measurements_of(const RunId&) const;   // by metric; also of a run no longer asked for
  std::vector<Attachment> attachments(const RunId&) const;
  std::vector<Attempt> in_flight() const;                     // handed out in the last session, without an outcome
  /// The run that a person means: the beginning of its id, its place in the plan (from 0), or #PLACE. Throws InputError where none or several could be meant.
  RunId run_named(const std::string& words) const;
  RunRecord record(const RunId&) const;                       // all that is known of one run (run_record.h)
  std::int64_t highest_pack() const;                          // 0: none was handed out
  std::vector<LostPack> lost_packs() const;                   // that waiting runs were in, in the order in which they were handed out

 private:
  struct State;
  RunRecord record_of_one_left(const RunId&) const;
  explicit Ledger(std::unique_ptr<State>);
  std::unique_ptr<State> state_;
};

/// Tidy CSV of every measurement (run, seed, image_set, grid keys, metric, axes..., value) sorted by run id, then metric: no time, host or attempt, so
/// equal sweeps give equal bytes. One file per metric under `out/`, and runs.csv.
void export_csv(const Ledger&, const std::filesystem::path& out);

}  // namespace palimpsest
