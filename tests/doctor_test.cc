// What a run finds on a machine: cores, disks, and what `palimpsest doctor` makes of them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/error.h"
#include "runtime/file_system.h"
#include "runtime/host_cores.h"
#include "tests/sweep_process.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::HasSubstr;

void write(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

TEST(Cores, TwoHardwareThreadsOfACoreAreOneCore) {
  const TemporaryFolder root;
  for (const char* cpu : {"cpu0", "cpu2"})
    write(root / "sys/devices/system/cpu" / cpu / "topology/thread_siblings_list", "0,2\n");
  for (const char* cpu : {"cpu1", "cpu3"})
    write(root / "sys/devices/system/cpu" / cpu / "topology/thread_siblings_list", "1,3\n");
  EXPECT_EQ(host_cores(root.path()).physical, 2);
  EXPECT_EQ((HostCores{.online = 4, .physical = 2, .allowed = 4}.usable()), 2);
}

TEST(Cores, AnAffinityMaskCountsByItsShareOfTheCores) {
  EXPECT_EQ((HostCores{.online = 128, .physical = 64, .allowed = 16}.usable()), 8);
  EXPECT_EQ((HostCores{.online = 128, .physical = 64, .allowed = 1}.usable()), 1);
}

TEST(Cores, TheTimeThatAContainerHasLimitsThem) {
  const TemporaryFolder root;
  write(root / "sys/fs/cgroup/cpu.max", "150000 100000\n");
  EXPECT_DOUBLE_EQ(host_cores(root.path()).quota, 1.5);
  EXPECT_EQ((HostCores{.online = 8, .physical = 8, .allowed = 8, .quota = 2.5}.usable()), 2);
  EXPECT_EQ((HostCores{.online = 8, .physical = 8, .allowed = 8, .quota = 0.5}.usable()), 1);
}

TEST(Cores, AContainerWithoutALimitHasThemAll) {
  const TemporaryFolder root;
  write(root / "sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(host_cores(root.path()).quota, 0);
}

TEST(AFileSystem, HoldsLocksAndCommitsWhereTemporaryFilesAre) {
  const TemporaryFolder folder;
  EXPECT_GT(seconds_per_commit(folder.path()), 0);
  EXPECT_TRUE(locks_hold(folder.path()));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));  // nothing is left behind
}

TEST(AFileSystem, InMemoryIsKnownToBeLostAtPowerOff) {
  if (!std::filesystem::exists("/dev/shm")) GTEST_SKIP() << "there is no /dev/shm";
  EXPECT_TRUE(file_system_under("/dev/shm").lost_at_power_off);
}

TEST(AFileSystem, OfAFolderThatIsNotThereIsRefused) { EXPECT_THROW(file_system_under("/no/such/folder"), InputError); }

TEST(Doctor, TellsEveryThingItLookedAtInJson) {
  const TemporaryFolder folder;
  Process doctor({palimpsest_command(0, {"doctor", "--json", "--out", (folder / "results").string()})}, folder / "out");
  doctor.wait();
  const auto told = nlohmann::json::parse(doctor.output());
  std::string all;
  for (const auto& finding : told.at("findings")) all += finding.at("what").get<std::string>() + "; ";
  for (const char* thing : {"processor", "memory", "devices", "MPI", "results folder", "commits", "file locks",
                            "free space", "open files", "clock"})
    EXPECT_THAT(all, HasSubstr(thing));
  EXPECT_FALSE(std::filesystem::exists(folder / "results"));
}

TEST(Doctor, SaysWithItsExitCodeThatARunCouldNotWriteItsResults) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "closed");
  std::filesystem::permissions(folder / "closed", std::filesystem::perms(0555));
  Process doctor({palimpsest_command(0, {"doctor", "--out", (folder / "closed").string()})}, folder / "out",
                 {.no_override = true});
  EXPECT_EQ(doctor.wait(), 2);
  EXPECT_THAT(doctor.output(), HasSubstr("nothing can be written there"));
}

}  // namespace
}  // namespace palimpsest
