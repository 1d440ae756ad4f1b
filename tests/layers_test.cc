// The arrows between the rooms point one way: launch -> sweeps -> models -> runtime. Static libraries do not stop a wrong include; this does.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "tests/temporary_folder.h"

namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

const std::vector<std::string> kRooms = {"runtime", "models", "sweeps", "launch"};  // each may include itself and those before it

std::ptrdiff_t level(const std::string& room) { return std::find(kRooms.begin(), kRooms.end(), room) - kRooms.begin(); }

bool is_code(const fs::path& file) {
  const auto extension = file.extension();
  return extension == ".h" || extension == ".cc" || extension == ".cu" || extension == ".cuh";
}

// What is wrong with an include of `file` (relative to the root); empty where nothing is.
std::string mistake(const fs::path& file, const std::string& included) {
  const std::string room = *file.begin();
  const fs::path target = included.starts_with("..") ? (file.parent_path() / included).lexically_normal() : fs::path(included);
  const std::string other = *target.begin();
  if (level(other) < static_cast<std::ptrdiff_t>(kRooms.size()) && level(other) > level(room)) return room + " must not know of " + other;
  if (included == "mpi.h" && file.stem().string().find("mpi") == std::string::npos) return "MPI stays inside files named after it";
  if (included == "nccl.h" && file.stem().string().find("nccl") == std::string::npos) return "NCCL stays inside files named after it";
  return {};
}

std::vector<std::string> mistakes_of_file(const fs::path& root, const fs::path& file) {
  static const std::regex include(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"].*)");
  std::vector<std::string> found;
  std::ifstream in(root / file);
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    std::smatch match;
    if (!std::regex_match(line, match, include)) continue;
    if (const auto what = mistake(file, match[1]); !what.empty())
      found.push_back(file.string() + ":" + std::to_string(number) + ": includes " + match[1].str() + ", but " + what);
  }
  return found;
}

std::vector<std::string> wrong_includes(const fs::path& root) {
  std::vector<std::string> found;
  for (const auto& room : kRooms)
    for (const auto& entry : fs::recursive_directory_iterator(root / room))
      if (is_code(entry.path()))
        for (auto& wrong : mistakes_of_file(root, fs::relative(entry.path(), root))) found.push_back(std::move(wrong));
  std::sort(found.begin(), found.end());
  return found;
}

class PlantedHouse : public testing::Test {
 protected:
  PlantedHouse() {
    for (const auto& room : kRooms) fs::create_directories(root_ / room);
  }
  void plant(const std::string& file, const std::string& text) { std::ofstream(root_ / file) << text; }
  std::vector<std::string> found() const { return wrong_includes(root_.path()); }

  palimpsest::TemporaryFolder root_;
};

TEST(Layers, IncludesPointFromLaunchDownToRuntime) { EXPECT_THAT(wrong_includes(PALIMPSEST_ROOT), IsEmpty()); }

TEST_F(PlantedHouse, RightIncludesPass) {
  plant("launch/main.cc", "#include \"sweeps/study.h\"\n#include \"models/decoder.h\"\n#include <vector>\n");
  plant("runtime/over_mpi.cc", "#include <mpi.h>\n");
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(PlantedHouse, AnIncludeUpwardsIsNamedWithItsLine) {
  plant("runtime/shard.h", "#pragma once\n#include \"models/decoder.h\"\n");
  plant("sweeps/plan.cc", "#  include <launch/command.h>\n");
  EXPECT_THAT(found(), ElementsAre("runtime/shard.h:2: includes models/decoder.h, but runtime must not know of models",
                                   "sweeps/plan.cc:1: includes launch/command.h, but sweeps must not know of launch"));
}

TEST_F(PlantedHouse, AnIncludeUpwardsThroughTheParentFolderIsFound) {
  plant("models/decoder.cc", "#include \"../sweeps/study.h\"\n");
  EXPECT_THAT(found(), ElementsAre("models/decoder.cc:1: includes ../sweeps/study.h, but models must not know of sweeps"));
}

TEST_F(PlantedHouse, MpiOutsideItsFilesIsFound) {
  plant("runtime/progress.cc", "#include <mpi.h>\n");
  EXPECT_THAT(found(), ElementsAre("runtime/progress.cc:1: includes mpi.h, but MPI stays inside files named after it"));
}

}  // namespace
