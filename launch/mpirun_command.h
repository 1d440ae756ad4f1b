#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "launch/rank_lines.h"

namespace palimpsest {

/// What starts ranks.
struct Starter {
  enum class Kind { kOpenMpi5, kOpenMpi4, kSrun };
  Kind kind = Kind::kOpenMpi5;
  std::filesystem::path program;  // mpirun, or srun
  std::string
      prefix;  // where Open MPI is installed, for ranks on other hosts and for libraries; empty: the system knows
  bool root = false;  // Open MPI refuses root unless told otherwise
  Tags tags() const { return kind == Kind::kSrun ? Tags::kSrun : Tags::kMpirun; }
};

/// The mpirun this program was built with. `library`: as MPI calls itself, "Open MPI v5.0.11". Throws InputError where
/// it is none whose flags we know.
Starter mpirun_at_hand(const std::filesystem::path& mpirun, const std::string& prefix, const std::string& library,
                       bool root);

/// A world of ranks to start.
struct WorldPlan {
  int ranks = 1;
  std::filesystem::path hostfile;      // empty: this host alone, or what Slurm gave
  std::vector<std::string> nodes;      // srun: those it keeps to; empty: all of the allocation
  std::vector<std::string> shell;      // reaches a host; empty: as the starter does by itself
  std::string network;                 // what MPI must keep to ("10.77.0.0/24"); empty: it finds out
  std::string bind = "none";           // none | core | numa
  bool survive = false;                // go on without a rank that dies, where the MPI can (ULFM)
  std::vector<std::string> variables;  // of the environment, that ranks on other hosts need
  std::vector<std::string> command;    // the program, and its arguments
};

std::vector<std::string> start_command(const Starter&, const WorldPlan&);

}  // namespace palimpsest
