#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sweeps/definition.h"

namespace palimpsest {

/// The runs of a definition by number: grid (first axis slowest), then image set, then seed (fastest). Nothing is laid out:
/// run_at computes a run from its number.
class Plan {
 public:
  /// Opens the inputs (through the study) once per distinct combination of values that names them; throws InputError.
  explicit Plan(const Definition&);

  std::int64_t size() const;
  RunSpec run_at(std::int64_t number) const;                        // with its id
  std::string signature_of(std::int64_t number) const;
  /// The values of the grid's axes for this run, by key: what a report groups by.
  std::map<std::string, Value> condition_of(std::int64_t number) const;
  const Definition& definition() const { return definition_; }

 private:
  std::int64_t cell_of(std::int64_t number) const;                  // the place in the grid
  Definition definition_;
  std::vector<Settings> cells_;                                     // one per point of the grid
  std::vector<std::string> signatures_;                             // likewise
  std::vector<std::vector<Inputs>> inputs_;                         // [cell, image set]; cells that read the same share a row
  std::vector<std::size_t> inputs_of_cell_;
};

/// The hash of everything a run resolves to: study, method version, every key (paths by their content), seed, image set, inputs.
RunId run_id(const Study&, const Settings&, std::int64_t seed, std::int64_t image_set, const Inputs&);

/// Waiting runs cut into packs: equal signature, in order of their numbers, at most `pack_size(signature)` each and, where runs are
/// few, small enough that every one of `workers` has a pack.
std::vector<std::vector<std::int64_t>> cut_packs(const Plan&, const std::vector<std::int64_t>& waiting,
                                                 const std::map<std::string, std::int64_t>& pack_size, int workers);

/// A warning for each claim the design cannot decide: too few units for the smallest sign-flip p-value under Holm.
std::vector<std::string> design_warnings(const Definition&);

}  // namespace palimpsest
