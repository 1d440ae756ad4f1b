#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace palimpsest {

/// One array of a snapshot, little-endian.
struct SnapshotPart {
  std::string dtype;                 // as in safetensors: "F32", "F64", "U8"
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
};

/// All that a run in flight needs to go on to the same bits: where it is, and its state there by name.
struct Snapshot {
  std::int64_t step = 0;             // in the study's own count; the state is that before this step
  std::map<std::string, SnapshotPart> parts;
};

/// One file a run, `FOLDER/RUN.safetensors`: the parts as tensors; in the metadata the format's version, the run, the step and the XXH3-128 of all that.
///
/// A file that is damaged, cut off, of another version or of another run is removed when it is read, and `refused` says why.
struct ReadSnapshot {
  std::optional<Snapshot> snapshot;
  std::string refused;
};
std::filesystem::path snapshot_file(const std::filesystem::path& folder, const std::string& run);
void write_snapshot(const std::filesystem::path& folder, const std::string& run, const Snapshot&);   // durably; throws Interrupted, InputError
ReadSnapshot read_snapshot(const std::filesystem::path& folder, const std::string& run);
void remove_snapshot(const std::filesystem::path& folder, const std::string& run) noexcept;

/// Where the runs of a pack keep their snapshots. Called from the thread that computes.
class Snapshots {
 public:
  virtual ~Snapshots() = default;
  virtual bool due() = 0;            // the last ones are long ago: save every run of the pack that is under way
  virtual void save(const std::string& run, const Snapshot&) = 0;
  virtual std::optional<Snapshot> saved(const std::string& run) = 0;
};

}  // namespace palimpsest
