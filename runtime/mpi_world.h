#pragma once

namespace palimpsest {

/// MPI for the length of main: initialised only where the process was started by an MPI launcher (so that a plain
/// `palimpsest ...` starts in no time and needs no daemon), finalised at the end.
class MpiWorld {
 public:
  MpiWorld(int& argc, char**& argv);
  ~MpiWorld();
  static bool started_by_launcher();   // the environment of mpirun or srun is there
  int rank() const { return rank_; }
  int world_size() const { return world_size_; }
  int local_rank() const { return local_rank_; }    // among the ranks of this host
  int local_size() const { return local_size_; }

 private:
  int rank_ = 0, world_size_ = 1, local_rank_ = 0, local_size_ = 1;
  bool initialised_ = false;
};

}  // namespace palimpsest
