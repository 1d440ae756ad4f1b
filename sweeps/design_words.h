#pragma once

#include <string>

#include "sweeps/definition.h"

namespace palimpsest {

/// How the conditions of a sweep came about, and what all runs share, in sentences for a methods section: the values of each axis, what moved together,
/// what was drawn and how, what was left out, training, and what else is not the study's default.
std::string design_words(const Definition&);

}  // namespace palimpsest
