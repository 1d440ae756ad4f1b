#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "launch/host_list.h"
#include "runtime/image_source.h"

namespace palimpsest {

/// What `launch` was asked for.
struct LaunchRequest {
  std::optional<int> ranks;     // without it as many as the hosts have slots, or this host has GPUs to compute on, or cores
  std::filesystem::path hosts;  // a hostfile; empty: the allocation this process is in, or this host
  int restarts = 3;
  std::optional<int> ranks_per_gpu;   // where ranks take GPUs; several keep one busy where packs are small
  bool oversubscribe = false;    // more ranks than cores are wanted
  std::string starter = "auto";  // mpirun | srun
  std::string shell;             // reaches a host, as "ssh -p 2222"
  std::string prefix;            // of Open MPI, in place of the one this program was built with
  std::string network, bind = "auto";
  bool check = false, no_check = false;  // look at the hosts and end; do not look
  std::vector<std::string> command;      // of ours, with its arguments
  std::vector<ImagePlace> images;        // that the command reads
  std::string gpus;                      // what its ranks compute on where there are GPUs: "" none of them, else its --device
};

/// How many ranks to start on these hosts, each of which says its slots. Throws InputError where that is more than they
/// have and nobody asked for it.
int ranks_to_start(const LaunchRequest&, const std::vector<Host>&);

/// GPUs that its ranks share out on a host which has so many: all of them, or the one that --device names.
int gpus_used(const LaunchRequest&, int gpus);

/// How many ranks a host takes that does not say its slots: one for each core, or, where the command computes on GPUs and it
/// has some, so many for each of those. Throws InputError where ranks_per_gpu is asked for and there is nothing to take it.
int ranks_of_host(const LaunchRequest&, const std::string& host, int cores, int gpus);

/// What is said where nobody asked for that number: "2 GPUs here, so 2 ranks, one for each GPU; -n N starts others".
std::string ranks_by_gpus(const LaunchRequest&, int gpus);

/// Files that the command reads: its arguments that are files, values of KEY=FILE among them, and what definitions
/// (TOML) name. Absolute, each once.
std::vector<std::string> inputs_of(const std::vector<std::string>& command);

/// Throws InputError where the words of --network are neither networks, as 10.0.0.0/24, nor names of interfaces, several with commas between.
void refuse_unreadable_network(const std::string& network);

/// Throws InputError where a folder for results is not there and cannot be made, or cannot be written to. Makes nothing.
void refuse_impossible_folder(const std::filesystem::path& folder);

}  // namespace palimpsest
