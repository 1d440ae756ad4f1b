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
