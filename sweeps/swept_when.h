#pragma once

#include <map>
#include <string>

#include "sweeps/condition.h"

namespace palimpsest {

struct Definition;

/// Where the axes of a grid exist that do not everywhere, by key: what other keys must be there (SweepAxis::when).
using Whens = std::map<std::string, Condition>;
Whens whens_of(const Definition&);
Whens whens_in(const std::string& resolved);  // of a resolved definition (Ledger::definition_text)

/// Whether a run of these settings has a value of its own on this axis; elsewhere its key has its base value.
bool exists(const std::string& axis, const Settings&, const Whens&);

}  // namespace palimpsest
