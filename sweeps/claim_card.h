#pragma once

#include <string>

#include "sweeps/verdict.h"

namespace palimpsest {

/// A claim as a card of the report: verdict, what was asked, why, and each part drawn as units, interval and smallest
/// effect.
std::string claim_card(const ClaimResult&, const std::string& unit, std::size_t number);

/// The sign that stands beside a verdict's word, so that colour is never the only difference.
std::string verdict_icon(Verdict);

}  // namespace palimpsest
