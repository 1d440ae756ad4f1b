#include <dlfcn.h>
#include <fmt/core.h>
#include <mpi.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <optional>

#include "launch/doctor.h"
#include "launch/provenance_mpi.h"

namespace palimpsest {
namespace {

constexpr int kStartLimit = 20000;  // milliseconds

bool knows_ulfm() { return dlsym(RTLD_DEFAULT, "MPIX_Comm_shrink") != nullptr; }

[[noreturn]] void try_mpi(int answer) {
  int provided = -1;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided) != MPI_SUCCESS) _exit(1);
  if (write(answer, &provided, sizeof provided) != sizeof provided) _exit(1);
  MPI_Finalize();
  _exit(0);
}

// The thread level MPI gives, found by a process of its own: an MPI that cannot start ends the process it is in, or
// hangs.
std::optional<int> thread_level() {
  int ends[2];
  if (pipe(ends) != 0) return std::nullopt;
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    try_mpi(ends[1]);
  }
  close(ends[1]);
  pollfd answer = {ends[0], POLLIN, 0};
  int provided = -1;
  const bool came = poll(&answer, 1, kStartLimit) > 0 && read(ends[0], &provided, sizeof provided) == sizeof provided;
  close(ends[0]);
  if (!came) kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return came ? std::optional(provided) : std::nullopt;
}

const char* name_of(int level) {
  return level == MPI_THREAD_MULTIPLE     ? "MPI_THREAD_MULTIPLE"
         : level == MPI_THREAD_SERIALIZED ? "MPI_THREAD_SERIALIZED"
         : level == MPI_THREAD_FUNNELED   ? "MPI_THREAD_FUNNELED"
                                          : "MPI_THREAD_SINGLE";
}

Finding threads_found() {
  const auto level = thread_level();
  if (!level)
    return {"MPI start", Grade::kStops, fmt::format("it did not start within {} s", kStartLimit / 1000),
            "no command runs over several ranks",
            "What it says is above; a site's MPI may want its module loaded, or a folder for temporary files that can "
            "be written to (TMPDIR)"};
  if (*level >= MPI_THREAD_SERIALIZED)
    return {"MPI start", Grade::kGood, name_of(*level), "a thread of its own can talk while others compute", {}};
  return {"MPI start", Grade::kStops, name_of(*level), "pretraining needs MPI_THREAD_SERIALIZED",
          "Use another MPI: Open MPI and MPICH will do"};
}

Finding library_found() {
  Finding finding{"MPI", Grade::kGood, mpi_library(), {}, {}};
  if (*PALIMPSEST_MPI_PREFIX) finding.found += " of this program's environment";
  if (knows_ulfm()) {
    finding.found += ", with ULFM";
    finding.means = "a sweep can go on without a rank that dies";
  } else {
    finding.means = "a rank that dies ends the world; launch starts it again, and the ledger goes on";
  }
  return finding;
}

Finding launcher_found() {
  const char* prefix = std::getenv("PALIMPSEST_PREFIX");  // of the bundle
  const std::string mpirun = prefix ? std::string(prefix) + "/bin/mpirun" : PALIMPSEST_MPIRUN;
  if (access(mpirun.c_str(), X_OK) == 0) return {"mpirun", Grade::kGood, mpirun, "launch uses it", {}};
  return {"mpirun", Grade::kStops, mpirun + " is not there", "launch cannot start ranks",
          "Run launch/setup.sh and build again"};
}

}  // namespace

std::vector<Finding> examine_mpi() { return {library_found(), launcher_found(), threads_found()}; }

}  // namespace palimpsest
