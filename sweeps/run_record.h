#pragma once

#include "sweeps/ledger.h"

namespace palimpsest {

/// As the ledger numbers them. kNone: in flight, or of a session that ended without a word; kDropped: another result came first; kSpared: stopped
/// with the world while its worker was well.
enum class Outcome { kNone, kDone, kFailed, kDropped, kStopped, kLost, kSpared };

/// One execution of a run, as the ledger has it.
struct PastAttempt {
  Attempt attempt;
  std::int64_t epoch = 0;             // of the session that handed it out
  Outcome outcome = Outcome::kNone;
  std::string reason;                 // of a failure
};

/// A coordinator's time with the ledger, and the programs and machine it was made with.
struct Session {
  double started = 0;                 // seconds since 1970
  std::map<std::string, std::string> provenance;
};

/// Facts of a host that are not those of rank 0's, under names of their own, "kernel on node2": they stand in a session's provenance beside its own.
std::map<std::string, std::string> other_facts(const std::map<std::string, std::string>& facts, const std::map<std::string, std::string>& of_rank_0, const std::string& host);
/// What a result of this host came from: the session's facts, and the host's own in place of rank 0's.
std::map<std::string, std::string> facts_on_host(const std::map<std::string, std::string>& provenance, const std::string& host);

/// All the ledger knows of one run.
struct RunRecord {
  LedgerRun run;
  int method = 0;                     // version of the study's method
  std::vector<PastAttempt> attempts;  // in order
  std::map<std::int64_t, Session> sessions;   // by epoch: those that handed it out, and the last
  std::vector<Measurement> measurements;      // by name
};

/// The attempt that counts: the last that is done, else the last that failed; nullptr where none came to an end.
const PastAttempt* counting_attempt(const RunRecord&);

}  // namespace palimpsest
