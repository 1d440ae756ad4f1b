#include "sweeps/svg_files.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"
#include "runtime/scratch_folder.h"

extern char** environ;

namespace palimpsest {
namespace {

namespace fs = std::filesystem;

// argv: specifications (a JSON object by name), folder.
constexpr const char* kConvert = R"(
import json, os, sys
import vl_convert
with open(sys.argv[1], encoding="utf-8") as file:
    specifications = json.load(file)
for name, spec in specifications.items():
    with open(os.path.join(sys.argv[2], name + ".svg"), "w", encoding="utf-8") as out:
        out.write(vl_convert.vegalite_to_svg(spec, vl_version="6.4"))
    with open(os.path.join(sys.argv[2], name + ".pdf"), "wb") as out:
        out.write(vl_convert.vegalite_to_pdf(spec, vl_version="6.4"))
)";

/// Runs a program to its end, what it says going to `log`. Its exit status; 127 where it could not be started.
int run(const std::vector<std::string>& arguments, const fs::path& log) {
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t process = 0;
  const int error = posix_spawnp(&process, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return 127;
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

std::string last_line(const fs::path& file) {
  std::ifstream in(file);
  std::string last;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) last = line;
  return last;
}

std::optional<std::string> python_with_vl_convert(const fs::path& log) {
  for (const std::string python : {PALIMPSEST_BUILD_PYTHON, "python3"})
    if (run({python, "-c", "import vl_convert"}, log) == 0) return python;
  return std::nullopt;
}

}  // namespace

std::string write_svg_files(const std::map<std::string, nlohmann::json>& specifications, const fs::path& folder) {
  if (specifications.empty()) return {};
  const ScratchFolder room("palimpsest-figures");
  if (room.path().empty())
    return "no folder for temporary files could be made in " + fs::temp_directory_path().string();
  const fs::path input = room.path() / "specifications.json", log = room.path() / "log";
  const auto python = python_with_vl_convert(log);
  if (!python)
    return "no Python with the package vl-convert-python was found (tried " PALIMPSEST_BUILD_PYTHON " and python3)";
  std::ofstream(input) << nlohmann::json(specifications).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (run({*python, "-c", kConvert, input.string(), room.path().string()}, log) != 0)
    return "vl-convert failed: " + last_line(log);
  for (const auto& [name, spec] : specifications)
    for (const std::string& file : {name + ".svg", name + ".pdf"})
      write_durably(folder / file, read_file(room.path() / file));
  return {};
}

}  // namespace palimpsest
