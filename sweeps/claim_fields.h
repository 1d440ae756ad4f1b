#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sweeps/study.h"

namespace palimpsest {

/// A field of [[claim]], declared once: the reader, the JSON Schema and what `init` writes come from here.
struct ClaimField {
  enum class Type { kText, kNumber, kTable, kKeys, kParts };
  std::string name;
  Type type;
  std::string example;                    // as TOML, of the study
  std::string meaning;
  bool of_part = true;                    // may stand in a [[claim.part]], too
  std::vector<std::string> choices = {};
  std::optional<double> above = {}, most = {};
};

/// All of them, in the order in which they are best written; examples and metrics are the study's.
std::vector<ClaimField> claim_fields(const Study&);

}  // namespace palimpsest
