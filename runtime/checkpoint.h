#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace palimpsest {

/// A checkpoint is a folder `FOLDER/step-000001200/` of files and, written last, `manifest.json`: format version, step, and
/// each file's name, size and XXH3-128. Without a manifest that matches, the folder is torn and counts for nothing.
///
///   FOLDER/step-000001200.unfinished/{weights,optimizer,...}.safetensors  then  manifest.json  (each: temporary, fsync, rename, fsync of folder),
///   then the folder is renamed to FOLDER/step-000001200
///   manifest.json: {"format": 1, "step": 1200, "files": [{"name": "weights.safetensors", "size": 123, "xxh3_128": "32 hex digits"}, ...]}
struct Checkpoint {
  std::int64_t step = 0;
  std::filesystem::path folder;
};

/// Which checkpoints stay.
struct Keep {
  int newest = 2;            // whole ones, at least 1
  std::int64_t every = 0;    // and those of steps that are multiples of this; 0: none
};

/// Calls `write(folder)` to put the files in place, then seals them with the manifest. Checkpoints that are not to be kept are removed after that,
/// never before.
Checkpoint write_checkpoint(const std::filesystem::path& folder, std::int64_t step,
                            const std::function<void(const std::filesystem::path&)>& write, Keep keep = {});

/// The same in parts, where several processes write into one checkpoint: the folder that files go into until it is sealed (every process may make
/// it), sealing, and giving up.
std::filesystem::path start_checkpoint(const std::filesystem::path& folder, std::int64_t step);
Checkpoint seal_checkpoint(const std::filesystem::path& folder, std::int64_t step, Keep keep);
void abandon_checkpoint(const std::filesystem::path& folder, std::int64_t step) noexcept;
/// Removes what killed processes left unfinished. Before the first start_checkpoint, by one process.
void remove_unfinished_checkpoints(const std::filesystem::path& folder);

/// The newest whole checkpoint; torn ones on the way to it are told to `refuse` by name with the reason.
std::optional<Checkpoint> newest_checkpoint(const std::filesystem::path& folder,
                                            const std::function<void(const std::string&)>& refuse);

/// Why one checkpoint's folder (step-...) is not whole, every file hashed; empty: it is.
std::string checkpoint_flaw(const std::filesystem::path& folder);

/// Of a whole checkpoint, all that is in it: its manifest's hash.
std::string checkpoint_hash(const std::filesystem::path& folder);

}  // namespace palimpsest
