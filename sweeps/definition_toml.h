#pragma once

// The parts of reading a sweep file that see toml++: definition.cc joins them, and nobody else includes this.

#include <string>
#include <vector>

#include "runtime/settings_toml.h"
#include "sweeps/definition.h"

namespace palimpsest {

/// An entry of a table whose names are dotted ("fast.qkv"), however it was written: quoted, dotted, or as a table of its own.
struct NamedNode {
  std::string name;
  toml::source_region where;
  const toml::node* node;
};

/// The entries of such a table in the order of the file; what was given on the command line last.
std::vector<NamedNode> flattened(const toml::table& table, const Study& study);

/// " Did you mean training.epochs?" for a mistyped key of a study, also where only its table was left out; or nothing.
std::string did_you_mean_key(const Study& study, const std::string& name);

/// [sweep.grid]: each axis checked like the base value of its key.
std::vector<SweepAxis> read_grid(const toml::table& grid, const Study& study, Mistakes& mistakes);

/// The same without some names, for tables that hold other things too.
std::vector<NamedNode> flattened_but(const toml::table& table, const Study& study, const std::vector<std::string>& others);

/// Keys that move together (bundle.cc). An ablation is the base condition, then one change at a time; with `pairs` all pairs of changes too.
std::vector<Bundle> read_zips(const toml::node&, const Study&, Mistakes&);
std::vector<Bundle> read_random(const toml::node&, const Study&, Mistakes&);
std::vector<Bundle> read_ablations(const toml::node&, const Study&, const Settings& base, bool pairs, Mistakes&);
std::vector<Exclusion> read_exclusions(const toml::node&, const Study&, Mistakes&);

/// include = "other.toml": what that file has and this one does not. Its relative paths are relative to it.
void include_file(toml::table& root, const std::filesystem::path& file, Mistakes&);

/// [[claim]]: checked against the study's metrics and their axes, and against the base and grid of `definition`.
std::vector<Claim> read_claims(const toml::node& claims, const Definition& definition, Mistakes& mistakes);

}  // namespace palimpsest
