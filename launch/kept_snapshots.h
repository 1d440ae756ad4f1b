#pragma once

#include <chrono>
#include <filesystem>
#include <functional>

#include "sweeps/snapshot.h"

namespace palimpsest {

/// Snapshots of this rank's packs in a folder that all ranks share. One that cannot be written is told of and done without.
class KeptSnapshots : public Snapshots {
 public:
  /// `every` seconds they are due; 0: never, only where a pack is stopped.
  KeptSnapshots(std::filesystem::path folder, double every) : folder_(std::move(folder)), every_(every) {}
  void start();                            // of a pack
  bool due() override;
  void save(const std::string& run, const Snapshot&) override;
  std::optional<Snapshot> saved(const std::string& run) override;

 private:
  using Clock = std::chrono::steady_clock;
  const std::filesystem::path folder_;
  const std::chrono::duration<double> every_;
  Clock::time_point last_ = Clock::now();
  bool any_ = true;                        // there may be some for the pack
};

/// Of a sweep's results.
std::filesystem::path snapshot_folder(const std::filesystem::path& results);
/// Removes what belongs to no run that waits, as `waits` says by its id, and the folder where nothing is left; while no rank is at work.
void tidy_snapshots(const std::filesystem::path& results, const std::function<bool(const std::string&)>& waits);

}  // namespace palimpsest
