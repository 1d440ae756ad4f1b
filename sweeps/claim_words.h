#pragma once

#include <string>

#include "sweeps/verdict.h"

namespace palimpsest {

// What a claim's statistic is and what came of it, in words for reports and terminals. Minus signs are U+2212.
std::string statistic_words(const ClaimPart&);  // "slope of alignment.specificity over epoch"
std::string place_words(const ClaimPart&);      // "layers early, noise 0.3, images familiar − novel"
std::string contrast_words(const ClaimPart&);   // "qkv adapter − full"; empty without conditions
std::string part_words(
    const PartResult&);  // "attention.scope, learning rate 0.0003": what tells a part from the others of its claim

/// What tells a part from the others of its claim: "attention.scope, learning rate 3e-4"; more of the statistic where
/// parts share a metric.
std::string part_words(const ClaimResult&, const PartResult&);
std::string part_words_without_each(const ClaimResult&, const ClaimPart&);

std::string number_words(double);  // three digits: "0.0213", "−1.4", "1.2e-05"; "–" for what is no number
std::string interval_words(const Interval&);                           // "[−0.01, 0.05]"
std::string p_words(double p);                                         // "p = 0.012", "p < 0.001"
/// The p that the verdict is by: adjusted, or, where it is negligible, that of equivalence ("equivalence p = 0.012").
std::string p_words(const ClaimResult&);
std::string p_words(const PartResult&);
std::string unit_words(const std::string& unit, std::size_t count);    // "13 image sets"

/// One sentence: what decided a verdict, or what is missing for one. `claims`: in the family its p was adjusted over.
std::string why(const ClaimResult&, const std::string& unit, std::size_t claims);

}  // namespace palimpsest
