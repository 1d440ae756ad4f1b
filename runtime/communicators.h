#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/communicator.h"
#include "runtime/mpi_world.h"

namespace palimpsest {

/// A way in which the ranks that train together speak to each other.
struct CommunicatorKind {
  std::string name, meaning;
  std::unique_ptr<Communicator> (*make)(const MpiWorld&);
};

/// The one list of them.
const std::vector<CommunicatorKind>& communicators();

/// By its name in the list; a collective itself. Throws InputError, on every rank, where there is none, or it cannot be
/// used here.
std::unique_ptr<Communicator> communicator_named(const std::string& name, const MpiWorld&);

}  // namespace palimpsest
