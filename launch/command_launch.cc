#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "launch/commands.h"
#include "launch/exit_code.h"
#include "launch/mpirun_command.h"
#include "launch/stop_signal.h"
#include "launch/world_process.h"
#include "runtime/error.h"
#include "runtime/mpi_world.h"

namespace palimpsest {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::minutes kLongLife{10};   // a world that worked so long before it was lost gives its restart back

// The file the ranks leave their outcome in; where they are on several hosts it is in this folder, which those share.
class ExitFile {
 public:
  explicit ExitFile(const LaunchRequest& request) {
    const auto folder = request.hosts.empty() ? std::filesystem::temp_directory_path() : std::filesystem::current_path();
    path_ = folder / fmt::format(".palimpsest-launch-{}", getpid());
    forget();
    setenv("PALIMPSEST_EXIT_FILE", path_.c_str(), 1);
  }
  ~ExitFile() {
    forget();
    unsetenv("PALIMPSEST_EXIT_FILE");   // it is for the ranks: our own code is main's to return
  }
  void forget() const {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void check(const LaunchRequest& request) {
  if (MpiWorld::started_by_launcher())
    throw InputError("launch starts mpirun itself. Run it outside of mpirun, or leave the word launch away.");
  if (request.ranks < 1) throw InputError(fmt::format("-n {}: there must be at least 1 rank.", request.ranks));
  if (!request.hosts.empty() && !std::filesystem::exists(request.hosts))
    throw InputError(request.hosts.string() + ": there is no such hostfile. Write one host a line: node1 slots=8.");
  std::string names;
  for (const Command& command : commands()) {
    if (command.ranks != Ranks::kAll) continue;
    if (!request.command.empty() && request.command[0] == command.name) return;
    names += (names.empty() ? "" : ", ") + std::string(command.name);
  }
  throw InputError(fmt::format("launch: {}. Commands that run over ranks: {}.",
                               request.command.empty() ? "no command is given" : "\"" + request.command[0] + "\" is none that runs over ranks",
                               names));
}

std::string how_it_ended(const WorldEnd& end) {
  if (end.signal) return fmt::format("mpirun was killed by signal {}", end.signal);
  if (end.exit_code > 128) return fmt::format("a rank was killed by signal {}", end.exit_code - 128);
  return fmt::format("mpirun ended with {} before rank 0 was through", end.exit_code);
}

// What the world came to; nothing where it was lost and can be started again.
std::optional<int> outcome_of(const WorldEnd& end, const ExitFile& file) {
  const LaunchedOutcome outcome = outcome_in(file.path());
  if (end.asked_to_stop && !outcome.exit_code) throw Interrupted("stopped by a signal. What was committed is safe: the same command resumes.");
  if (end.asked_to_stop) return outcome.exit_code;
  if (end.signal) return std::nullopt;   // ranks that stopped because of it were not asked to
  if (outcome.exit_code) return outcome.exit_code;
  if (outcome.started || end.exit_code > 128) return std::nullopt;
  throw InputError(fmt::format("mpirun ended with {}, and no word of rank 0 is in {}. What mpirun says is above; with --hosts, the hosts must "
                               "share this folder and have this program.",
                               end.exit_code, file.path().string()));
}

// Ranks see no terminal behind mpirun: what they draw a progress bar on is told them.
void announce_terminal() {
  if (!isatty(STDERR_FILENO)) return;
  winsize size = {};
  ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
  setenv("PALIMPSEST_TERMINAL_COLUMNS", std::to_string(size.ws_col > 0 ? size.ws_col : 80).c_str(), 1);
}

int launch(const LaunchRequest& request) {
  check(request);
  announce_terminal();
  catch_stop_signals();
  const ExitFile file(request);
  const auto command = mpirun_command({PALIMPSEST_MPIRUN, PALIMPSEST_MPI_PREFIX, geteuid() == 0}, request,
                                      std::filesystem::read_symlink("/proc/self/exe"));
  for (int left = request.restarts;;) {
    const auto begun = Clock::now();
    file.forget();
    const WorldEnd end = run_world(command);
    if (const auto code = outcome_of(end, file)) return *code;
    if (Clock::now() - begun > kLongLife) left = request.restarts;
    if (left-- == 0)
      throw Interrupted(how_it_ended(end) + ", and no restart is left. What was committed is safe: the same command resumes.");
    fmt::print(stderr, "palimpsest: {}; starting again ({} of {} restarts left).\n", how_it_ended(end), left, request.restarts);
  }
}

}  // namespace

Run add_launch(CLI::App& command) {
  auto request = std::make_shared<LaunchRequest>();
  request->ranks = static_cast<int>(std::thread::hardware_concurrency());
  command.add_option("-n", request->ranks, "ranks; without it one for each core")->type_name("N");
  command.add_option("--hosts", request->hosts, "hostfile of mpirun: a line for each host, NAME slots=N")->type_name("FILE");
  command.add_option("--restarts", request->restarts, "how often the ranks are started again after one was lost")->capture_default_str();
  command.prefix_command();
  command.footer("COMMAND... is any command that runs over ranks, with its arguments: palimpsest launch -n 3 sweep FILE.toml --out DIR");
  CLI::App* app = &command;
  return [request, app](MpiWorld&) {
    request->command = app->remaining();
    return launch(*request);
  };
}

}  // namespace palimpsest
