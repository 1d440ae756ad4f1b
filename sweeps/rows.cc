#include "sweeps/rows.h"

#include <set>

namespace palimpsest {
namespace {

/// What verdicts and figures look at in a run's settings.
std::set<std::string> keys_read(const Ledger& ledger, const Study& study) {
  std::set<std::string> keys = {"slow.weights"};
  for (const auto& [axis, when] : whens_in(ledger.definition_text()))
    for (const auto& [key, value] : when) keys.insert(key);
  for (const std::string& axis : ledger.axes()) keys.insert(axis);
  for (const auto* named : {&study.axis_keys, &study.matchable})
    for (const auto& [name, key] : *named) keys.insert(key);
  for (const LedgerClaim& claim : ledger.claims()) {
    keys.insert(claim.claim.each.begin(), claim.claim.each.end());
    for (const ClaimPart& part : claim.claim.parts)
      for (const auto* side : {&part.treatment, &part.baseline})
        for (const auto& [key, value] : *side) keys.insert(key);
  }
  return keys;
}

}  // namespace

Rows rows_of(const Ledger& ledger, const Study& study) {
  return {study.unit,
          study.axis_keys,
          ledger.axes(),
          ledger.runs_with(keys_read(ledger, study)),
          ledger.claims(),
          replication_in(ledger.definition_text()),
          [&ledger](std::span<const LedgerRun> runs, const Takers& takers) { ledger.for_each_measurement_of(runs, takers); },
          whens_in(ledger.definition_text()),
          ledger.slices(),
          ledger.units_asked(),
          study.matchable};
}

}  // namespace palimpsest
