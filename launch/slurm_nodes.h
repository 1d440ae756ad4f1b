#pragma once

#include <string>
#include <vector>

#include "launch/host_list.h"

namespace palimpsest {

/// Whether Slurm's commands are at hand; in a container they may not be.
bool slurm_can_be_asked();

/// The words that reach a node of the allocation this process is in, before its name and a command: a step that waits for none of the others.
std::vector<std::string> slurm_shell();

/// Those of the hosts that Slurm calls down, failed or drained, or that do not answer it.
std::vector<std::string> out_of_service(const std::vector<Host>&);

/// The same, in what `sinfo --noheader --Node --format "%N %t"` writes. A node is named once for each of its partitions.
std::vector<std::string> out_of_service_in(const std::string& table);

}  // namespace palimpsest
