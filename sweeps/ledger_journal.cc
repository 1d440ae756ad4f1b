#include "sweeps/ledger_journal.h"

#include <sys/vfs.h>

#include <algorithm>
#include <cstdlib>

namespace palimpsest {
namespace {

// statfs(2), linux/magic.h, and what Lustre, GPFS, BeeGFS and PanFS say of themselves.
constexpr std::int64_t kOverNetwork[] = {
    0x6969,      // NFS
    0x517b,      // SMB
    0xff534d42,  // CIFS
    0xfe534d42,  // SMB 2
    0x0bd00bd0,  // Lustre
    0x47504653,  // GPFS
    0x19830326,  // BeeGFS
    0xaad7aaea,  // PanFS
    0x00c36400,  // Ceph
    0x5346414f,  // AFS
    0x01021997,  // 9P
    0x65735546,  // FUSE: sshfs, s3fs and others that may be anything
};

}  // namespace

std::int64_t file_system_type(const std::filesystem::path& folder) {
  if (const char* given = std::getenv("PALIMPSEST_FILE_SYSTEM")) return std::strtoll(given, nullptr, 16);
  struct statfs facts = {};
  if (statfs(folder.c_str(), &facts) != 0) return 0;
  return static_cast<std::int64_t>(facts.f_type) & 0xffffffff;
}

const char* journal_for(std::int64_t file_system) {
  const bool over_network = std::ranges::find(kOverNetwork, file_system) != std::end(kOverNetwork);
  return over_network ? "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA" : "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL";
}

}  // namespace palimpsest
