#include "runtime/file_system.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <vector>

#include "runtime/error.h"

namespace palimpsest {
namespace {

constexpr int kCommits = 21;

struct Kind {
  std::uint32_t magic;  // statfs(2)
  const char* name;
  bool several_hosts = false, lost_at_power_off = false;
};
constexpr Kind kKinds[] = {
    {0xEF53, "ext4"},
    {0x58465342, "xfs"},
    {0x9123683E, "btrfs"},
    {0x2FC12FC1, "zfs"},
    {0xF2F52010, "f2fs"},
    {0x794C7630, "overlay"},
    {0x01021994, "tmpfs", false, true},
    {0x858458F6, "ramfs", false, true},
    {0x6969, "nfs", true},
    {0x0BD00BD0, "lustre", true},
    {0x47504653, "gpfs", true},
    {0x19830326, "beegfs", true},
    {0x00C36400, "ceph", true},
    {0xFF534D42, "cifs", true},
    {0xFE534D42, "smb2", true},
    {0x5346414F, "afs", true},
    {0x01021997, "9p", true},
    {0x6A656A63, "virtiofs", true},
    {0x65735546, "fuse", true},
    {0x7461636F, "ocfs2", true},
    {0x01161970, "gfs2", true},
};

// A file that is gone when this is.
class TrialFile {
 public:
  explicit TrialFile(const std::filesystem::path& folder)
      : path_((folder / ".palimpsest-trial-XXXXXX").string()), handle_(mkostemp(path_.data(), O_CLOEXEC)) {
    if (handle_ < 0)
      throw InputError(fmt::format("{}: nothing can be written there: {}. Name a folder that can be written to.",
                                   folder.string(), std::strerror(errno)));
  }
  ~TrialFile() {
    close(handle_);
    unlink(path_.c_str());
  }
  TrialFile(const TrialFile&) = delete;
  TrialFile& operator=(const TrialFile&) = delete;
  int handle() const { return handle_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const int handle_;
};

double seconds_of_one_commit(int file) {
  static const std::array<char, 4096> page{};
  const auto begun = std::chrono::steady_clock::now();
  if (pwrite(file, page.data(), page.size(), 0) != static_cast<ssize_t>(page.size()) || fdatasync(file) != 0)
    throw InputError(fmt::format("a file of 4 KiB cannot be written: {}. Free space, or name another folder.",
                                 std::strerror(errno)));
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

bool try_lock(int file) {
  struct flock range = {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  return fcntl(file, F_SETLK, &range) == 0;
}

}  // namespace

FileSystem file_system_under(const std::filesystem::path& folder) {
  struct statfs kind = {};
  struct statvfs room = {};
  if (statfs(folder.c_str(), &kind) != 0 || statvfs(folder.c_str(), &room) != 0)
    throw InputError(fmt::format("{}: {}. Name a folder that is there.", folder.string(), std::strerror(errno)));
  const auto magic = static_cast<std::uint32_t>(kind.f_type);
  const auto* known = std::ranges::find(kKinds, magic, &Kind::magic);
  FileSystem system;
  system.name = known == std::end(kKinds) ? fmt::format("type {:#x}", magic) : known->name;
  system.several_hosts = known != std::end(kKinds) && known->several_hosts;
  system.lost_at_power_off = known != std::end(kKinds) && known->lost_at_power_off;
  system.free_bytes = std::uint64_t{room.f_bavail} * room.f_frsize;
  system.free_files = room.f_files ? room.f_favail : 0;
  return system;
}

double seconds_per_commit(const std::filesystem::path& folder) {
  const TrialFile file(folder);
  std::vector<double> seconds;
  for (int i = 0; i < kCommits; ++i) seconds.push_back(seconds_of_one_commit(file.handle()));
  std::ranges::nth_element(seconds, seconds.begin() + kCommits / 2);
  return seconds[kCommits / 2];
}

bool locks_hold(const std::filesystem::path& folder) {
  const TrialFile file(folder);
  if (!try_lock(file.handle())) return false;
  const pid_t other = fork();
  if (other == 0) {
    const int same = open(file.path().c_str(), O_RDWR | O_CLOEXEC);
    _exit(same >= 0 && !try_lock(same) ? 0 : 1);  // it must be kept out
  }
  int status = 1;
  return other > 0 && waitpid(other, &status, 0) == other && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace palimpsest
