#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace palimpsest {

/// A host that takes ranks.
struct Host {
  std::string name;
  int slots = 0;  // ranks it takes; 0: not said, so as many as it has cores
  bool operator==(const Host&) const = default;
};

/// mpirun's hostfile: a line for each host, "node1 slots=8", "#" begins a comment. Throws InputError with file and
/// line.
std::vector<Host> read_hostfile(const std::filesystem::path& file);

/// "node[1-3,07],gpu5" is node1 node2 node3 node07 gpu5. Throws InputError where it is no such list.
std::vector<std::string> expand_node_list(const std::string& list);

/// "2(x3),4" is 2 2 2 4. Throws InputError where it is no such list.
std::vector<int> expand_counts(const std::string& counts);

/// The hosts of the Slurm allocation this process is in, with the tasks (or else the cores) it has on each; none
/// outside of one.
std::vector<Host> hosts_of_allocation();

/// A text hosts can be read from by mpirun.
std::string hostfile_text(const std::vector<Host>&);

int slots_of(const std::vector<Host>&);
bool is_this_host(const Host&);

}  // namespace palimpsest
