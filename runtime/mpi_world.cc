#include "runtime/mpi_world.h"

#include <mpi.h>
#if __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace palimpsest {
namespace {

// One of these is set by whatever starts ranks: Open MPI, PMIx (srun --mpi=pmix), PMI (srun --mpi=pmi2, MPICH, Intel MPI).
const char* rank_variable() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"})
    if (const char* value = std::getenv(name)) return value;
  return nullptr;
}

}  // namespace

bool MpiWorld::started_by_launcher() { return rank_variable() != nullptr; }

int MpiWorld::rank_in_environment() {
  const char* rank = rank_variable();
  return rank ? std::atoi(rank) : 0;
}

MpiWorld::MpiWorld(int& argc, char**& argv, const std::function<void(MpiWorld&)>& before_all) {
  if (!started_by_launcher()) return;
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &provided);
  initialised_ = true;
  any_thread_ = provided >= MPI_THREAD_SERIALIZED;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &world_size_);
  before_all(*this);
  MPI_Comm host;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host);
  MPI_Comm_rank(host, &local_rank_);
  MPI_Comm_size(host, &local_size_);
  MPI_Comm_free(&host);
}

MpiWorld::~MpiWorld() {
  if (initialised_ && whole_) MPI_Finalize();
}

bool MpiWorld::meet(double seconds) {
  if (!initialised_ || !whole_) return true;
  MPI_Request request;
  MPI_Ibarrier(MPI_COMM_WORLD, &request);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  int met = 0;
  while (MPI_Test(&request, &met, MPI_STATUS_IGNORE), !met) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

bool MpiWorld::outlives_losses() {
#if defined(OMPI_HAVE_MPI_EXT_FTMPI) && OMPI_MAJOR_VERSION >= 5
  return true;
#else
  return false;
#endif
}

// MPI_Finalize was seen to hang after a loss.
void MpiWorld::leave(int exit_code) {
  std::fflush(nullptr);
  if (some_stuck_) abort(exit_code);
  std::_Exit(exit_code);
}

void MpiWorld::abort(int exit_code) {
  if (initialised_) MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

}  // namespace palimpsest
