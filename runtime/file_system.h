#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace palimpsest {

/// What a folder lies on.
struct FileSystem {
  std::string name;            // "ext4", "nfs"; "type 0x1234" where it is none we know
  bool several_hosts = false;  // other hosts may see it, too
  bool lost_at_power_off = false;
  std::uint64_t free_bytes = 0, free_files = 0;  // for this user; free_files 0: it does not count them
};

/// Throws InputError where the folder is not there.
FileSystem file_system_under(const std::filesystem::path& folder);

/// Seconds that 4 KiB take to be on disk for sure (write, fdatasync), the median of a few. Throws InputError where
/// nothing can be written.
double seconds_per_commit(const std::filesystem::path& folder);

/// Whether a lock that one process holds on a file there keeps another out, as SQLite and the ledger's own lock need
/// it.
bool locks_hold(const std::filesystem::path& folder);

}  // namespace palimpsest
