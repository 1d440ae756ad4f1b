#include "launch/kept_snapshots.h"

#include "runtime/error.h"
#include "runtime/log.h"

namespace palimpsest {

void KeptSnapshots::start() {
  last_ = Clock::now();
  std::error_code unknown;
  any_ = std::filesystem::exists(folder_, unknown) || unknown;
}

bool KeptSnapshots::due() {
  if (every_.count() <= 0 || Clock::now() - last_ < every_) return false;
  last_ = Clock::now();
  return true;
}

void KeptSnapshots::save(const std::string& run, const Snapshot& snapshot) {
  try {
    std::error_code told_by_the_writing;
    std::filesystem::create_directories(folder_, told_by_the_writing);
    write_snapshot(folder_, run, snapshot);
  } catch (const Error& error) {
    log().warn("run {} has no snapshot: {}", run, error.what());
  }
}

std::optional<Snapshot> KeptSnapshots::saved(const std::string& run) {
  if (!any_) return std::nullopt;
  ReadSnapshot read = read_snapshot(folder_, run);
  if (!read.refused.empty()) log().warn("run {} begins anew: {}", run, read.refused);
  if (read.snapshot) log().debug("run {} goes on from step {}", run, read.snapshot->step);
  return std::move(read.snapshot);
}

std::filesystem::path snapshot_folder(const std::filesystem::path& results) { return results / "snapshots"; }

void tidy_snapshots(const std::filesystem::path& results, const std::function<bool(const std::string&)>& waits) {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(snapshot_folder(results), none)) {
    const bool whole = entry.path().extension() == ".safetensors";
    if (!whole || !waits(entry.path().stem())) std::filesystem::remove(entry.path(), none);
  }
  std::filesystem::remove(snapshot_folder(results), none);   // where it is empty
}

}  // namespace palimpsest
