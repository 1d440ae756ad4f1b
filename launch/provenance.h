#pragma once

#include <map>
#include <string>

namespace palimpsest {

/// What of that a host has and others may have otherwise: libraries, processor, driver, system, kernel.
std::map<std::string, std::string> host_provenance();

/// What a result came from, beside its definition: program, commit, compiler, libraries, host, processor, kernel, ranks, command line.
std::map<std::string, std::string> provenance(int ranks);

}  // namespace palimpsest
