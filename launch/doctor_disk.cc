#include <fmt/core.h>

#include "launch/doctor.h"
#include "runtime/error.h"
#include "runtime/file_system.h"

namespace palimpsest {
namespace {

constexpr double kMiB = 1024.0 * 1024, kGiB = 1024 * kMiB;
constexpr double kSlowCommit = 0.05;                 // seconds; a sweep commits as often as that takes, in groups
constexpr double kRoomy = kGiB, kLeast = 64 * kMiB;  // free; a checkpoint of ViT-B is 1 GiB, a run 20 kB
constexpr std::uint64_t kFewFiles = 1000;

// The folder, or, where it is still to be made, the one it would be made in.
std::filesystem::path nearest_there(std::filesystem::path folder) {
  folder = std::filesystem::absolute(folder);
  while (!std::filesystem::exists(folder)) folder = folder.parent_path();
  return folder;
}

Finding kind_found(const FileSystem& system, const std::filesystem::path& folder) {
  Finding finding{"results folder", Grade::kGood, fmt::format("{} on {}", folder.string(), system.name), {}, {}};
  finding.means =
      system.several_hosts
          ? "other hosts may see it: the ledger is written by rank 0's host alone, `status` from another host can lag"
          : "a disk of this host";
  if (!system.lost_at_power_off) return finding;
  finding.grade = Grade::kNote;
  finding.means = "it is in memory: a sweep's results are gone when the host is switched off";
  finding.advice = "Name a folder on disk";
  return finding;
}

Finding commit_found(const std::filesystem::path& folder) {
  const double seconds = seconds_per_commit(folder);
  Finding finding{"commits",
                  Grade::kGood,
                  fmt::format("{:.2g} ms each", 1000 * seconds),
                  fmt::format("the ledger can commit {:.0f} times a second, many runs at a time", 1 / seconds),
                  {}};
  if (seconds < kSlowCommit) return finding;
  finding.grade = Grade::kNote;
  finding.advice = "Slow: keep the results on a disk of rank 0's host and copy them afterwards";
  return finding;
}

Finding locks_found(const std::filesystem::path& folder) {
  if (locks_hold(folder))
    return {"file locks", Grade::kGood, "they hold", "a second coordinator is kept out of the ledger", {}};
  return {"file locks", Grade::kStops, "they do not hold", "SQLite cannot write there safely",
          "Keep the results on a disk of rank 0's host, or mount the file system with locks (lustre: -o flock; nfs: "
          "without nolock)"};
}

Finding room_found(const FileSystem& system) {
  const auto free = static_cast<double>(system.free_bytes);
  Finding finding{"free space",
                  Grade::kGood,
                  fmt::format("{:.1f} GiB", free / kGiB),
                  fmt::format("room for about {:.0f} thousand runs of 20 kB", free / 20e6),
                  {}};
  if (free < kRoomy || (system.free_files > 0 && system.free_files < kFewFiles))
    finding.grade = Grade::kNote, finding.advice = "Free some: a full disk ends a sweep (it can be resumed)";
  if (free < kLeast) finding.grade = Grade::kStops;
  if (system.free_files > 0 && system.free_files < kFewFiles)
    finding.found += fmt::format(", but only {} files more", system.free_files);
  return finding;
}

}  // namespace

std::vector<Finding> examine_disk(const std::filesystem::path& results) {
  const auto folder = nearest_there(results);
  const FileSystem system = file_system_under(folder);
  std::vector<Finding> findings = {kind_found(system, folder), room_found(system)};
  try {
    findings.push_back(commit_found(folder));
    findings.push_back(locks_found(folder));
  } catch (const InputError& error) {
    findings.push_back({"commits", Grade::kStops, error.what(), {}, {}});
  }
  return findings;
}

}  // namespace palimpsest
