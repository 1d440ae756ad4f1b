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
#include "runtime/host_cores.h"
#include "runtime/log.h"
#include "runtime/scratch_folder.h"

extern char** environ;

namespace palimpsest {
namespace {

namespace fs = std::filesystem;

// argv: folder of NAME.json, names.
constexpr const char* kConvert = R"(
import os, sys
import vl_convert
for name in sys.argv[2:]:
    path = os.path.join(sys.argv[1], name)
    with open(path + ".json", encoding="utf-8") as file:
        svg = vl_convert.vegalite_to_svg(file.read(), vl_version="6.4")
    with open(path + ".svg", "w", encoding="utf-8") as out:
        out.write(svg)
    with open(path + ".pdf", "wb") as out:
        out.write(vl_convert.svg_to_pdf(svg))
)";

using Specifications = std::map<std::string, std::function<nlohmann::json()>>;

/// Starts a program, what it says going to `log`; nothing where it could not be started.
std::optional<pid_t> start(const std::vector<std::string>& arguments, const fs::path& log) {
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
  return error == 0 ? std::optional(process) : std::nullopt;
}

bool went_well(std::optional<pid_t> process) {
  int status = 0;
  while (process && ::waitpid(*process, &status, 0) < 0 && errno == EINTR) {
  }
  return process && WIFEXITED(status) && WEXITSTATUS(status) == 0;
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
    if (went_well(start({python, "-c", "import vl_convert"}, log))) return python;
  return std::nullopt;
}

/// The figures dealt out to a process for each core: it takes seconds for one of many conditions. What went wrong; empty where nothing did.
std::string convert(const std::string& python, const Specifications& specifications, const fs::path& folder) {
  const std::size_t parts = std::min<std::size_t>(specifications.size(), static_cast<std::size_t>(host_cores().usable()));
  std::vector<std::vector<std::string>> commands(parts, {python, "-c", kConvert, folder.string()});
  std::size_t next = 0;
  for (const auto& [name, spec] : specifications) commands[next++ % parts].push_back(name);
  std::vector<std::pair<std::optional<pid_t>, fs::path>> begun;
  for (const auto& command : commands) {
    const fs::path log = folder / ("log" + std::to_string(begun.size()));
    begun.emplace_back(start(command, log), log);
  }
  std::string mistake;
  for (const auto& [process, log] : begun)
    if (!went_well(process) && mistake.empty()) {
      mistake = last_line(log);
      if (mistake.empty()) mistake = "a process of it ended without a word, as one does that was given no more memory";
    }
  return mistake;
}

}  // namespace

std::string write_svg_files(const Specifications& specifications, const fs::path& folder) {
  if (specifications.empty()) return {};
  const ScratchFolder room("palimpsest-figures");
  if (room.path().empty())
    return "no folder for temporary files could be made in " + fs::temp_directory_path().string();
  const auto python = python_with_vl_convert(room.path() / "log");
  if (!python)
    return "no Python with the package vl-convert-python was found (tried " PALIMPSEST_BUILD_PYTHON " and python3)";
  log().info("drawing {} figures as SVG and PDF (--no-svg leaves them out)", specifications.size());
  for (const auto& [name, specification] : specifications)
    std::ofstream(room.path() / (name + ".json")) << specification().dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (const std::string mistake = convert(*python, specifications, room.path()); !mistake.empty()) return "vl-convert failed: " + mistake;
  for (const auto& [name, spec] : specifications)
    for (const std::string& file : {name + ".svg", name + ".pdf"})
      write_durably(folder / file, read_file(room.path() / file));
  return {};
}

}  // namespace palimpsest
