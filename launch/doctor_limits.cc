#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#include <chrono>
#include <filesystem>

#include "launch/doctor.h"
#include "runtime/host_cores.h"

namespace palimpsest {
namespace {

constexpr double kMiB = 1024.0 * 1024;
constexpr rlim_t kFewFiles = 1024, kTooFewFiles = 128;
constexpr double kSharedPerRank = 16;  // MiB that Open MPI's shared-memory transport may take

rlim_t limit_of(int resource) {
  rlimit limit = {};
  getrlimit(static_cast<__rlimit_resource>(resource), &limit);
  return limit.rlim_cur;
}

std::string text_of(rlim_t limit, double unit, const char* name) {
  return limit == RLIM_INFINITY ? "unlimited" : fmt::format("{:.0f}{}", static_cast<double>(limit) / unit, name);
}

Finding open_files() {
  const rlim_t limit = limit_of(RLIMIT_NOFILE);
  Finding finding{
      "open files", Grade::kGood, text_of(limit, 1, "") + " per process", "enough for connections to every rank", {}};
  if (limit >= kFewFiles) return finding;
  finding.grade = limit < kTooFewFiles ? Grade::kStops : Grade::kNote;
  finding.means = fmt::format(
      "rank 0 opens one connection to each rank on another host, mpirun four files for each of its ranks: worlds above "
      "{} ranks fail",
      limit / 5);
  finding.advice = "Raise it: ulimit -n 65536, or nofile in /etc/security/limits.conf";
  return finding;
}

Finding locked_memory() {
  const rlim_t limit = limit_of(RLIMIT_MEMLOCK);
  const bool fabric =
      std::filesystem::exists("/sys/class/infiniband") && !std::filesystem::is_empty("/sys/class/infiniband");
  Finding finding{"locked memory",
                  Grade::kGood,
                  text_of(limit, kMiB, " MiB") + (fabric ? ", InfiniBand or RoCE is here" : ", no InfiniBand"),
                  {},
                  {}};
  finding.means = fabric ? "MPI and NCCL can register their buffers" : "MPI goes over TCP, which needs none";
  if (!fabric || limit == RLIM_INFINITY) return finding;
  finding.grade = Grade::kNote;
  finding.means = "MPI and NCCL cannot register large buffers and fall back to something slower, or fail";
  finding.advice =
      "Raise it: ulimit -l unlimited, memlock in /etc/security/limits.conf, LimitMEMLOCK=infinity for slurmd";
  return finding;
}

Finding shared_memory() {
  struct statvfs room = {};
  const int ranks = host_cores().usable();
  if (statvfs("/dev/shm", &room) != 0)
    return {"shared memory", Grade::kNote, "no /dev/shm", "ranks of this host talk through files or TCP",
            "Mount a tmpfs there (docker run --shm-size=1g)"};
  const double free = static_cast<double>(room.f_bavail) * static_cast<double>(room.f_frsize) / kMiB;
  Finding finding{"shared memory",
                  Grade::kGood,
                  fmt::format("/dev/shm has {:.0f} MiB free", free),
                  fmt::format("enough for {} ranks", ranks),
                  {}};
  if (free >= kSharedPerRank * ranks) return finding;
  finding.grade = Grade::kNote;
  finding.means = fmt::format("{} ranks may want {:.0f} MiB; without room they are killed by SIGBUS", ranks,
                              kSharedPerRank * ranks);
  finding.advice =
      "Give it more: docker run --shm-size=1g, an emptyDir of medium Memory in Kubernetes, or mount -o remount,size=1g "
      "/dev/shm";
  return finding;
}

Finding clock_found() {
  timex state = {};
  const bool synchronised = adjtimex(&state) >= 0 && !(state.status & STA_UNSYNC);
  const auto year =
      std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now())).year();
  Finding finding{"clock",
                  Grade::kGood,
                  synchronised ? "kept by a time service" : "no time service keeps it",
                  "times in the ledger can be compared between hosts",
                  {}};
  if (!synchronised) {
    finding.grade = Grade::kNote;
    finding.means = "it may drift; times in the ledger and time limits follow it";
    finding.advice = "Start chrony or systemd-timesyncd, unless the host of this container has one";
  }
  if (year < std::chrono::year(2025))
    finding = {"clock", Grade::kStops, fmt::format("it says the year is {}", static_cast<int>(year)),
               "certificates, time limits and the ledger's times are wrong", "Set it: chronyc makestep, or date -s"};
  return finding;
}

}  // namespace

std::vector<Finding> examine_limits() { return {open_files(), locked_memory(), shared_memory(), clock_found()}; }

}  // namespace palimpsest
