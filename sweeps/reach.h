#pragma once

#include "sweeps/condition.h"
#include "sweeps/definition.h"

namespace palimpsest {

/// Whether some run of a sweep has these values, [[sweep.exclude]] left aside.
bool some_run_has(const Definition&, const Condition&);

/// Whether [[sweep.exclude]] leaves out every run that has these values.
bool all_excluded(const Definition&, const Condition&);

/// Whether both can hold at once; then `into` asks for both.
bool join(Condition& into, const Condition& more);

/// A warning for each [[sweep.exclude]] that leaves out no run, for none has what it names.
std::vector<std::string> idle_exclusions(const Definition&);

}  // namespace palimpsest
