#pragma once

#include <functional>

namespace palimpsest {

/// MPI for the length of main: initialised only where the process was started by an MPI launcher (so that a plain
/// `palimpsest ...` starts in no time and needs no daemon), finalised at the end. One thread at a time speaks MPI.
class MpiWorld {
 public:
  MpiWorld() = default;  // a world of one; MPI is not touched
  /// `before_all` is called before the ranks meet for the first time: from there on they wait for each other.
  MpiWorld(int& argc, char**& argv, const std::function<void(MpiWorld&)>& before_all = [](MpiWorld&) {});
  ~MpiWorld();
  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;

  static bool started_by_launcher();   // the environment of mpirun or srun is there
  static int rank_in_environment();    // this process's rank as that environment tells it, without MPI; 0 where alone
  int rank() const { return rank_; }
  int world_size() const { return world_size_; }
  int local_rank() const { return local_rank_; }    // among the ranks of this host
  int local_size() const { return local_size_; }
  bool initialised() const { return initialised_; }
  bool any_thread() const { return any_thread_; }   // whether the MPI library lets another thread than the main one speak

  /// Waits until every rank has come here; false when some have not within `seconds`.
  bool meet(double seconds);
  /// Some rank is gone and the others outlived it (ULFM): from here on there is no meeting, no end in common, and MPI is left as it is.
  /// `some_stuck`: others are there, but will not end by themselves.
  void go_on_without_some(bool some_stuck) { whole_ = false, some_stuck_ = some_stuck; }
  bool whole() const { return whole_; }
  /// Ends this process, where the world is not whole; the others, too, where some are stuck. mpirun may return anything.
  [[noreturn]] void leave(int exit_code);
  /// Whether this MPI, asked so when it starts (mpirun --with-ft ulfm), outlives the loss of a process.
  static bool outlives_losses();
  /// Ends every rank of the world at once; mpirun returns `exit_code`.
  [[noreturn]] void abort(int exit_code);

 private:
  int rank_ = 0, world_size_ = 1, local_rank_ = 0, local_size_ = 1;
  bool initialised_ = false, any_thread_ = true, whole_ = true, some_stuck_ = false;
};

}  // namespace palimpsest
