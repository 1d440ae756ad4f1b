#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace palimpsest {

/// How fast runs of a pack go, one size.
struct PackSpeed {
  std::int64_t size = 1;
  double runs_per_hour = 0;
  bool operator==(const PackSpeed&) const = default;
};

/// What was found out about packs of one signature on one kind of machine.
struct PackNote {
  std::int64_t most = 0;               // runs that fit into memory, where more did not; 0: not found out
  std::vector<PackSpeed> speeds;       // by size; empty: not measured
  bool operator==(const PackNote&) const = default;
};
using PackNotes = std::map<std::string, PackNote>;   // by signature

/// `packs.json` in a results folder: by what the packs were computed with, as the device and whether its steps are recorded, since memory
/// and speed under one say nothing of another. What is lost or damaged is found out again: none is read as an empty one.
///
///   {"format": 2, "with": {"cpu, ...": {"qkv adapter ...": {"most": 8, "speeds": [[1, 120.5], [2, 210.0]]}}}}
PackNotes read_pack_notes(const std::filesystem::path& results, const std::string& with);
/// Leaves those of other machines as they are.
void write_pack_notes(const std::filesystem::path& results, const std::string& with, const PackNotes&);

/// The smallest size that is within a twentieth of the fastest; 0 where nothing was measured.
std::int64_t fastest_size(const std::vector<PackSpeed>&);

}  // namespace palimpsest
