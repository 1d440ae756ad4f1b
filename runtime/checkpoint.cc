#include "runtime/checkpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <system_error>

#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;

// manifest.json: {"format": 1, "step": 1200, "files": [{"name": "weights.safetensors", "size": 123, "xxh3_128": "32 hex
// digits"}, ...]}
constexpr int kFormat = 1;
constexpr const char* kManifest = "manifest.json";
constexpr const char* kUnfinished = ".unfinished";  // ends the name of a folder that is being written or removed

std::string folder_name(std::int64_t step) {
  char name[40];
  std::snprintf(name, sizeof name, "step-%09lld", static_cast<long long>(step));
  return name;
}

std::optional<std::int64_t> step_of(const std::string& folder) {
  constexpr std::string_view kPrefix = "step-";
  if (!folder.starts_with(kPrefix)) return std::nullopt;
  std::int64_t step = 0;
  const char* end = folder.data() + folder.size();
  const auto [rest, error] = std::from_chars(folder.data() + kPrefix.size(), end, step);
  return error == std::errc() && rest == end && step >= 0 ? std::optional(step) : std::nullopt;
}

fs::path unfinished_folder(const fs::path& folder, std::int64_t step) { return folder / (folder_name(step) + kUnfinished); }

[[noreturn]] void fail(const fs::path& path, const std::error_code& error) {
  if (error == std::errc::no_space_on_device)
    throw Interrupted(path.string() + ": the disk is full. Free some space and run the same command again.");
  throw InputError(path.string() + ": a checkpoint cannot be written here: " + error.message() +
                   ". Name a folder that can be written to.");
}

void sync(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(path, {errno, std::generic_category()});
  const int error =
      ::fsync(descriptor) != 0 && errno != EINVAL ? errno : 0;  // EINVAL: a file system that cannot sync a folder
  ::close(descriptor);
  if (error) fail(path, {error, std::generic_category()});
}

void rename_folder(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) fail(to, error);
}

void remove_folder(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) fail(folder, error);
}

/// All steps that have a folder, newest first.
std::vector<Checkpoint> checkpoints(const fs::path& folder) {
  std::vector<Checkpoint> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (const auto step = step_of(entry->path().filename().string())) found.push_back({*step, entry->path()});
  std::sort(found.begin(), found.end(), [](const Checkpoint& a, const Checkpoint& b) { return a.step > b.step; });
  return found;
}

std::vector<fs::path> unfinished(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("step-") && name.ends_with(kUnfinished)) found.push_back(entry->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

nlohmann::json manifest_of(const fs::path& folder, std::int64_t step) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      files.push_back(entry.path());
    else if (entry.is_directory())
      sync(entry.path());
  std::sort(files.begin(), files.end());
  nlohmann::json listed = nlohmann::json::array();
  for (const fs::path& file : files) {
    sync(file);
    listed.push_back({{"name", file.lexically_relative(folder).generic_string()},
                      {"size", fs::file_size(file)},
                      {"xxh3_128", file_hash(file)}});
  }
  return {{"format", kFormat}, {"step", step}, {"files", listed}};
}

/// Why one file of a manifest is not as it was written; empty: it is.
std::string flaw_of_file(const fs::path& folder, const nlohmann::json& listed, bool hash) {
  const fs::path name = listed.at("name").get<std::string>();
  if (name.is_absolute() || std::find(name.begin(), name.end(), "..") != name.end())
    return "its manifest names a file outside, " + name.string();
  std::error_code error;
  const std::uintmax_t size = fs::file_size(folder / name, error);
  if (error) return name.string() + " is missing";
  const auto written = listed.at("size").get<std::uintmax_t>();
  if (size != written)
    return name.string() + " has " + std::to_string(size) + " bytes instead of " + std::to_string(written);
  if (hash && file_hash(folder / name) != listed.at("xxh3_128").get<std::string>())
    return name.string() + " is not what was written (its hash differs)";
  return "";
}

/// Why a checkpoint is not whole; empty: it is. Without `hash` only names and sizes are looked at.
std::string flaw_of(const Checkpoint& checkpoint, bool hash) {
  if (!fs::exists(checkpoint.folder / kManifest)) return "it has no manifest: it was not finished";
  try {
    const nlohmann::json manifest = nlohmann::json::parse(read_file(checkpoint.folder / kManifest));
    const int format = manifest.at("format").get<int>();
    if (format != kFormat)
      return "it has format " + std::to_string(format) + ", and this program reads format " + std::to_string(kFormat);
    if (manifest.at("step").get<std::int64_t>() != checkpoint.step) return "its manifest is of another step";
    for (const nlohmann::json& listed : manifest.at("files"))
      if (std::string flaw = flaw_of_file(checkpoint.folder, listed, hash); !flaw.empty()) return flaw;
    return "";
  } catch (const nlohmann::json::exception&) {
    return "its manifest is damaged";
  } catch (const InputError& error) {
    return error.what();
  }
}

/// Removes what is older than the newest whole checkpoints up to `step` that are to be kept, torn ones too.
void remove_older(const fs::path& folder, std::int64_t step, Keep keep) {
  const int newest = std::max(1, keep.newest);
  int whole = 0;
  for (const Checkpoint& checkpoint : checkpoints(folder)) {
    if (checkpoint.step > step) continue;
    if (whole >= newest) {
      if (keep.every > 0 && checkpoint.step % keep.every == 0) continue;
      const fs::path leaving =
          checkpoint.folder.string() + kUnfinished;  // so that half of one is never taken for a torn one
      rename_folder(checkpoint.folder, leaving);
      remove_folder(leaving);
    } else if (flaw_of(checkpoint, false).empty()) {
      ++whole;
    }
  }
}

/// Puts a finished folder in its place; one that lies there already (a run that was resumed from an earlier step) is
/// moved away first.
void put_in_place(const fs::path& finished, const fs::path& place) {
  const fs::path former = place.string() + ".former" + kUnfinished;
  const bool replaces = fs::exists(place);
  if (replaces) rename_folder(place, former);
  rename_folder(finished, place);
  sync(place.parent_path());
  if (replaces) remove_folder(former);
}

}  // namespace

fs::path start_checkpoint(const fs::path& folder, std::int64_t step) {
  const fs::path making = unfinished_folder(folder, step);
  prepare_folder(making);
  return making;
}

Checkpoint seal_checkpoint(const fs::path& folder, std::int64_t step, Keep keep) {
  const Checkpoint checkpoint{step, folder / folder_name(step)};
  const fs::path making = unfinished_folder(folder, step);
  write_durably(making / kManifest, manifest_of(making, step).dump(1) + "\n");
  put_in_place(making, checkpoint.folder);
  remove_older(folder, step, keep);
  return checkpoint;
}

void abandon_checkpoint(const fs::path& folder, std::int64_t step) noexcept {
  std::error_code ignored;
  fs::remove_all(unfinished_folder(folder, step), ignored);  // on a full disk its files are in the way of everything else
}

void remove_unfinished_checkpoints(const fs::path& folder) {
  for (const fs::path& left : unfinished(folder)) remove_folder(left);
}

Checkpoint write_checkpoint(const fs::path& folder, std::int64_t step,
                            const std::function<void(const fs::path&)>& write, Keep keep) {
  prepare_folder(folder);
  remove_unfinished_checkpoints(folder);
  try {
    write(start_checkpoint(folder, step));
    return seal_checkpoint(folder, step, keep);
  } catch (...) {
    abandon_checkpoint(folder, step);
    throw;
  }
}

std::optional<Checkpoint> newest_checkpoint(const fs::path& folder,
                                            const std::function<void(const std::string&)>& refuse) {
  for (const fs::path& left : unfinished(folder))
    refuse(left.string() + ": this checkpoint was not finished; it is passed over.");
  for (const Checkpoint& checkpoint : checkpoints(folder)) {
    const std::string flaw = flaw_of(checkpoint, true);
    if (flaw.empty()) return checkpoint;
    refuse(checkpoint.folder.string() + ": this checkpoint is refused: " + flaw + ". The one before it is used.");
  }
  return std::nullopt;
}

std::string checkpoint_flaw(const fs::path& folder) {
  const auto step = step_of(folder.filename().string());
  if (!step) return "its folder is not named step-NUMBER: it was not finished, or renamed";
  return flaw_of({*step, folder}, true);
}

std::string checkpoint_hash(const fs::path& folder) { return file_hash(folder / kManifest); }

}  // namespace palimpsest
