#pragma once

#include <string>

namespace palimpsest {

std::string mpi_library();   // "Open MPI v5.0.11"

}  // namespace palimpsest
