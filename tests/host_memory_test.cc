#include "runtime/host_memory.h"

#include <fstream>

#include <gtest/gtest.h>

#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

class HostMemory : public testing::Test {
 protected:
  void SetUp() override {
    write("proc/meminfo", "MemTotal:  9000 kB\nMemFree:  10 kB\nMemAvailable:   4000 kB\nBuffers: 3 kB\n");
  }
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  TemporaryFolder root_;
};

TEST_F(HostMemory, IsWhatTheKernelCallsAvailable) { EXPECT_EQ(available_memory(root_.path()), 4000u * 1024); }

TEST_F(HostMemory, IsWhatTheControlGroupLeavesWhereThatIsLess) {
  write("sys/fs/cgroup/memory.max", "3000000\n");
  write("sys/fs/cgroup/memory.current", "1000000\n");
  EXPECT_EQ(available_memory(root_.path()), 2000000u);
  write("sys/fs/cgroup/memory.current", "3500000\n");
  EXPECT_EQ(available_memory(root_.path()), 0u);
  write("sys/fs/cgroup/memory.stat", "anon 17\ninactive_file 2500000\nactive_file 4\n");  // cached files, which make way
  EXPECT_EQ(available_memory(root_.path()), 2000000u);
}

TEST_F(HostMemory, IgnoresAControlGroupWithoutALimit) {
  write("sys/fs/cgroup/memory.max", "max\n");
  write("sys/fs/cgroup/memory.current", "1000000\n");
  EXPECT_EQ(available_memory(root_.path()), 4000u * 1024);
}

TEST_F(HostMemory, OfThisHostIsSome) { EXPECT_GT(available_memory(), 1u << 20); }

}  // namespace
}  // namespace palimpsest
