#include "sweeps/drawing.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>

#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"
#include "runtime/host_cores.h"
#include "runtime/scratch_folder.h"

extern char** environ;

namespace palimpsest {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kMostProcesses = 8;   // each takes a few hundred megabytes, and most of a second before it draws

// argv: folder of NAME.json, names. Each is drawn by the process that takes it first, so none waits long for the last.
constexpr const char* kConvert = R"(
import os, sys
import vl_convert
for name in sys.argv[2:]:
    path = os.path.join(sys.argv[1], name)
    try:
        os.rename(path + ".json", path + ".taken")
    except FileNotFoundError:
        continue
    with open(path + ".taken", encoding="utf-8") as file:
        svg = vl_convert.vegalite_to_svg(file.read(), vl_version="6.4")
    with open(path + ".svg", "w", encoding="utf-8") as out:
        out.write(svg)
    with open(path + ".pdf", "wb") as out:
        out.write(vl_convert.svg_to_pdf(svg))
)";

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

/// A Python with vl-convert, and which version of it: another may draw otherwise.
struct Painter {
  std::string python, version;
};

std::optional<Painter> painter(const fs::path& log) {
  for (const std::string python : {PALIMPSEST_BUILD_PYTHON, "python3"})
    if (went_well(start({python, "-c", "import vl_convert; print(vl_convert.__version__)"}, log))) return Painter{python, last_line(log)};
  return std::nullopt;
}

/// What a figure was drawn from and what came of it, as hashes; files that are not there have none.
json traces(const std::string& specification, const fs::path& folder, const std::string& name) {
  json found = {{"specification", specification}};
  for (const char* kind : {"svg", "pdf"})
    if (const fs::path file = folder / (name + "." + kind); fs::is_regular_file(file)) found[kind] = file_hash(file);
  return found;
}

/// Those of all figures; none where there is no such file, or another's.
json known_traces(const fs::path& file) {
  if (!fs::is_regular_file(file)) return json::object();
  json known = json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  return known.is_object() ? known : json::object();
}

}  // namespace

struct Drawing::State {
  struct Figure {
    std::string name, specification;   // its hash
    std::size_t size = 0;
  };
  struct Process {
    std::optional<pid_t> id;
    fs::path log;
  };

  State(const Specifications& specifications, const fs::path& to) : folder(to), all(specifications.size()) {
    if (all == 0) return;
    prepare_folder(folder);
    if (room.path().empty()) problem = "no folder for temporary files could be made in " + fs::temp_directory_path().string();
    else if (const auto found = painter(room.path() / "log")) begin(*found, specifications);
    else problem = "no Python with the package vl-convert-python was found (tried " PALIMPSEST_BUILD_PYTHON " and python3)";
  }

  ~State() {
    for (const Process& process : processes)
      if (process.id) ::kill(*process.id, SIGTERM), went_well(process.id);
  }

  void begin(const Painter& painter, const Specifications& specifications) {
    known = known_traces(folder / "drawn.json");
    for (const auto& [name, specification] : specifications) {
      const std::string text = specification().dump(-1, ' ', true, json::error_handler_t::replace);
      const std::string hash = content_hash(painter.version + kConvert + text);
      if (known.value(name, json()) == traces(hash, folder, name) && known[name].size() == 3) continue;
      std::ofstream(room.path() / (name + ".json")) << text;
      figures.push_back({name, hash, text.size()});
    }
    std::ranges::sort(figures, std::greater<>(), &Figure::size);   // the largest first: what is left for the end is small
    std::vector<std::string> command = {painter.python, "-c", kConvert, room.path().string()};
    for (const Figure& figure : figures) command.push_back(figure.name);
    const std::size_t most = std::min(kMostProcesses, static_cast<std::size_t>(host_cores().usable()));
    for (std::size_t i = 0; i < std::min(most, figures.size()); ++i) {
      const fs::path log = room.path() / ("log" + std::to_string(i));
      processes.push_back({start(command, log), log});
    }
  }

  /// What went wrong; empty where nothing did.
  std::string wait() {
    std::string mistake;
    for (const Process& process : processes)
      if (!went_well(process.id) && mistake.empty()) {
        mistake = last_line(process.log);
        if (mistake.empty()) mistake = "a process of it ended without a word, as one does that was given no more memory";
      }
    processes.clear();
    return mistake;
  }

  void write() {
    if (figures.empty()) return;
    for (const Figure& figure : figures) {
      for (const char* kind : {".svg", ".pdf"}) write_durably(folder / (figure.name + kind), read_file(room.path() / (figure.name + kind)));
      known[figure.name] = traces(figure.specification, folder, figure.name);
    }
    write_durably(folder / "drawn.json", known.dump(1) + "\n");
  }

  const ScratchFolder room{"palimpsest-figures"};
  const fs::path folder;
  const std::size_t all;
  std::string problem;
  json known;                        // what was drawn before
  std::vector<Figure> figures;       // that are drawn now
  std::vector<Process> processes;
};

Drawing::Drawing(const Specifications& specifications, const fs::path& folder) : state_(std::make_unique<State>(specifications, folder)) {}
Drawing::~Drawing() = default;
std::size_t Drawing::figures() const { return state_->all; }
std::size_t Drawing::begun() const { return state_->figures.size(); }
const std::string& Drawing::problem() const { return state_->problem; }

std::string Drawing::finish() {
  if (!state_->problem.empty()) return state_->problem;
  if (const std::string mistake = state_->wait(); !mistake.empty()) return "vl-convert failed: " + mistake;
  state_->write();
  return {};
}

}  // namespace palimpsest
