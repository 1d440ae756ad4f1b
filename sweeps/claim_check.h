#pragma once

#include <string>
#include <vector>

#include "sweeps/plan.h"

namespace palimpsest {

/// What the claims of a plan ask of its runs that these will not measure, a sentence each; nothing where the study does not tell before a run.
struct ClaimCheck {
  std::vector<std::string> mistakes;   // an epoch off the schedule, a level of noise that is not there
  std::vector<std::string> warnings;   // a metric that these images or keys do not give: the claim stays open
};
ClaimCheck check_claims(const Plan&);

/// Throws DefinitionError where there is a mistake; returns the warnings.
std::vector<std::string> warnings_of_claims(const Plan&);

}  // namespace palimpsest
