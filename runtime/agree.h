#pragma once

#include <functional>

#include "runtime/communicator.h"

namespace palimpsest {

/// Does on every rank what may fail on one alone (a file that only it cannot read), then compares: where any has thrown, all throw the
/// error of the first such rank, so that none waits for another that has left. Every rank calls it.
void agree(Communicator&, const std::function<void()>& act);

}  // namespace palimpsest
