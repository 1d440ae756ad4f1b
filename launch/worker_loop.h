#pragma once

#include <string>

#include "launch/mpi_mail.h"
#include "launch/watchdog.h"

namespace palimpsest {

/// What a rank other than 0 does in a sweep: says hello, computes the packs it is given, reports, until it is sent home. The calling thread
/// speaks MPI, another computes.
/// Whether all ranks are still there when it ends: MPI can be ended in common.
bool work_for_coordinator(int rank, MpiMail&, Watchdog&);

}  // namespace palimpsest
