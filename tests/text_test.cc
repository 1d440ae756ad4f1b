// The pages a reader begins with name files that are there.

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>

namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

// "runtime/run_axis.h" and the like in a page, and the targets of its links within the repository.
std::vector<std::string> named_files(const std::string& text) {
  static const std::regex name(R"((?:\b((?:runtime|models|sweeps|launch|cluster|tests)/[A-Za-z0-9_./-]*[A-Za-z0-9_]))|\]\(([^):]+)\))");
  std::vector<std::string> names;
  for (std::sregex_iterator match(text.begin(), text.end(), name), end; match != end; ++match)
    names.push_back((*match)[1].matched ? (*match)[1] : (*match)[2]);
  return names;
}

std::vector<std::string> absent_files(const std::string& text, const fs::path& root) {
  std::vector<std::string> absent;
  for (const auto& name : named_files(text))
    if (!fs::exists(root / name)) absent.push_back(name);
  return absent;
}

std::string read(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

class Page : public testing::TestWithParam<const char*> {};

TEST_P(Page, NamesFilesThatAreThere) { EXPECT_THAT(absent_files(read(fs::path(PALIMPSEST_ROOT) / GetParam()), PALIMPSEST_ROOT), IsEmpty()); }

INSTANTIATE_TEST_SUITE_P(All, Page, testing::Values("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "cluster/README.md"));

TEST(Pages, AnAbsentFileIsFound) {
  EXPECT_THAT(absent_files("See `runtime/no_such.h`, [here](NO_PAGE.md) or https://a.example/runtime.", PALIMPSEST_ROOT),
              ElementsAre("runtime/no_such.h", "NO_PAGE.md"));
}

}  // namespace
