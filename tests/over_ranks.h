#pragma once

#include <memory>

#include <gtest/gtest.h>

#include "runtime/communicator.h"

namespace palimpsest {

/// A test that all ranks run (RANKS in tests/CMakeLists.txt); none goes on to the next before all are through.
class OverRanks : public testing::Test {
 protected:
  void TearDown() override { everyone_->barrier(); }

  /// A world of the first `ranks` ranks; nothing for the others.
  std::unique_ptr<Communicator> first(int ranks) {
    const bool member = everyone_->rank() < ranks;
    auto group = over_mpi(member ? 0 : 1);
    return member ? std::move(group) : nullptr;
  }

  std::unique_ptr<Communicator> everyone_ = over_mpi();
};

}  // namespace palimpsest
