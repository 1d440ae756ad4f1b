#pragma once

#include <string>

#include "sweeps/run_record.h"

namespace palimpsest {

/// Everything known of a run, for `show`: for people and for scripts.
std::string show_text(const RunRecord&, const std::string& study);
std::string show_json(const RunRecord&, const std::string& study);

/// Its attempts, a line each: who was given it, when, and what came of it.
std::string attempt_lines(const RunRecord&);

/// "run 5e0c..., number 12"; the number is its place in the plan, and a run that is no longer asked for has none.
std::string run_words(const LedgerRun&);

/// "2026-11-22 09:12:32 UTC"
std::string date_text(double seconds_since_1970);

const char* word(RunState);   // "waiting", "done", "failed"

}  // namespace palimpsest
