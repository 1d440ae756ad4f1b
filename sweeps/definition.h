#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/settings.h"
#include "sweeps/claim.h"
#include "sweeps/replication.h"
#include "sweeps/study.h"

namespace palimpsest {

/// One axis of the sweep: a key of the study and the values it takes.
struct SweepAxis {
  std::string key;
  std::vector<Value> values;
  std::map<std::string, Value> when = {};   // it exists only where other keys have these values; elsewhere its key has its base value
  bool operator==(const SweepAxis&) const = default;
};

/// Keys that move together, laid out as points: [[sweep.zip]], [sweep.random] or [[sweep.ablation]].
struct Bundle {
  std::string kind;                                // "zip", "random", "ablation"
  std::vector<SweepAxis> axes;                     // each key with the values it takes, each once
  std::vector<std::vector<std::size_t>> points;    // [point][axis]: a place among its values
  std::string how = {};                            // points were drawn or derived, as a report tells it; empty: they were given
  std::int64_t twice = 0;                          // points left out, being there already
  bool operator==(const Bundle&) const = default;
};

/// [[sweep.exclude]]: runs whose keys all have one of these values are not run.
using Exclusion = std::map<std::string, std::vector<Value>>;

/// A sweep file, read and checked: [sweep] image_sets and seeds, [sweep.grid], the claims, and every key of the study resolved.
struct Definition {
  std::filesystem::path file;
  std::string source;                 // the text as given
  std::string name;
  const Study* study = nullptr;
  Settings base;                      // every key of the study; the axes of the grid replace theirs
  std::int64_t image_sets = 1, seeds = 1;
  std::vector<SweepAxis> grid;        // the first changes slowest
  std::vector<Bundle> bundles;        // then these
  std::vector<Exclusion> excluded;
  std::vector<Claim> claims;
  double snapshot_every = 300;        // [packs] snapshot_every: seconds between snapshots of a pack in flight; 0: only where it is stopped
  double device_hour = 0;             // [cost] device_hour: price of one worker for an hour, in `currency`; 0: none is given
  std::string currency = "USD";
  std::int64_t max_runs = 1'000'000;  // [sweep] max_runs: more are taken for a slip
  std::optional<Replication> replication;   // image_sets (or seeds, where they are the units) are its max
  std::int64_t pack_size = 0;         // [packs] size: runs that share a device and a launch per operation; 0: sized by the memory probe
};

/// The key of a study by name; nullptr where it has none.
const Key* find_key(const Study&, std::string_view name);
/// Whether a key holds a path or paths, which say where something lies and not what.
bool names_a_place(const Study&, std::string_view key);
/// The axis that sweeps a key, in the grid or with others; nullptr where it is not swept.
const SweepAxis* axis_of(const Definition&, std::string_view key);
/// Every key that is swept, alone or with others.
std::vector<std::string> swept_keys(const Definition&);

/// Reads a sweep file. Throws DefinitionError with every mistake of the file at once, each with file:line:column and, for a
/// mistyped word, "did you mean". Paths become absolute, relative to the file.
Definition read_definition(const std::filesystem::path& file, std::span<const Override> overrides = {});
Definition read_definition_text(const std::string& text, const std::filesystem::path& file, std::span<const Override> overrides = {});

/// Every default written out, as TOML that reads back to the same definition: `resolved.toml`.
std::string resolved_toml(const Definition&);

}  // namespace palimpsest
