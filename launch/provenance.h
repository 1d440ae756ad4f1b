#pragma once

#include <map>
#include <string>

namespace palimpsest {

/// What a result came from, beside its definition: program, commit, compiler, libraries, host, processor, kernel, ranks, command line.
std::map<std::string, std::string> provenance(int ranks);

}  // namespace palimpsest
