#pragma once

#include <string>
#include <vector>

#include "launch/finding.h"
#include "launch/host_facts.h"
#include "launch/host_list.h"

namespace palimpsest {

/// What reports of several hosts come to.
struct HostCheck {
  std::vector<Finding> findings;
  std::string network;  // "10.77.0.0/24": what MPI must keep to, since another that hosts seem to share does not join
                        // them; empty: any will do
};

/// Hosts that are out of reach, another program, files or a folder that are not the same, clocks, networks and
/// firewalls. `allocation`: Slurm gave them, so that one which cannot be asked may take ranks all the same.
HostCheck check_hosts(const std::vector<HostReport>&, bool allocation = false);

/// Hosts that would get more ranks than they have cores, which slows all of them down. `hosts` with the slots that were written for them (0: none),
/// `cores` of each host (0: not known); ranks fill host after host.
Finding check_cores(const std::vector<Host>& hosts, const std::vector<int>& cores, int ranks);

}  // namespace palimpsest
