#include <mpi.h>

#include <string>

#include "launch/provenance_mpi.h"

namespace palimpsest {

std::string mpi_library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int size = 0;
  MPI_Get_library_version(text, &size);   // may be called without MPI_Init
  const std::string all(text, static_cast<std::size_t>(size));
  return all.substr(0, all.find_first_of(",\n"));
}

}  // namespace palimpsest
