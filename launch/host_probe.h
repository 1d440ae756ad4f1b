#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "launch/host_facts.h"
#include "launch/host_list.h"

namespace palimpsest {

/// How to ask hosts about themselves.
struct ProbeRequest {
  std::vector<Host> hosts;
  std::vector<std::string> shell = {"ssh"};  // reaches a host: its words, then the host's name, then a command line (srun: its words)
  std::filesystem::path program;
  HostQuestions questions;
  bool links = true;                // try the network between each two of them
};

/// Asks all at once; takes a second where all is well, and at most a minute. In the order of the hosts.
std::vector<HostReport> probe_hosts(const ProbeRequest&);

/// The command line that a remote shell understands as these words.
std::string shell_line(const std::vector<std::string>& words);

}  // namespace palimpsest
