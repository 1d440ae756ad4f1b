#pragma once

#include <string>
#include <vector>

#include "launch/finding.h"
#include "launch/host_facts.h"

namespace palimpsest {

/// What reports of several hosts come to.
struct HostCheck {
  std::vector<Finding> findings;
  std::string network;  // "10.77.0.0/24": what MPI must keep to, since another that hosts seem to share does not join
                        // them; empty: any will do
};

/// Hosts that are out of reach, another program, files or a folder that are not the same, clocks, networks and
/// firewalls.
HostCheck check_hosts(const std::vector<HostReport>&);

}  // namespace palimpsest
