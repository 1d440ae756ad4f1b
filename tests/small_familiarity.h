#pragma once

#include <filesystem>

#include <gtest/gtest.h>

#include "tests/small_studies.h"
#include "tests/temporary_folder.h"

namespace palimpsest {

/// A folder with slow weights of a very small encoder in it.
class Familiarity : public ::testing::Test {
 protected:
  void SetUp() override { write_small_slow_weights(weights()); }

  std::filesystem::path weights() const { return folder_ / "slow.safetensors"; }
  Settings settings() const { return small_familiarity(weights()); }

  TemporaryFolder folder_;
};

}  // namespace palimpsest
