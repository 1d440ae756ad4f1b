#include "launch/world_process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "launch/stop_signal.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kOrderlyStop{12};   // more than ranks take to stop in order
constexpr std::chrono::seconds kOrphansLeave{4};   // ranks see within a second that mpirun is gone; rank 0 commits what it has

// In the child. mpirun gets a process group of its own, so that Ctrl-C reaches us alone; a background group must not read the terminal.
[[noreturn]] void become(const std::vector<std::string>& command, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(3);   // we died before the line above
  if (const int nothing = open("/dev/null", O_RDONLY); nothing >= 0) dup2(nothing, STDIN_FILENO);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execv(words[0], words.data());
  std::fprintf(stderr, "palimpsest: %s: cannot be started: %s. Run launch/setup.sh and build again.\n", words[0], std::strerror(errno));
  _exit(127);
}

pid_t start(const std::vector<std::string>& command) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);    // ranks of an mpirun that was killed become our children, so that we can end them
  const pid_t parent = getpid(), child = fork();
  if (child < 0) throw Interrupted(fmt::format("no process could be started: {}. Run the same command again.", std::strerror(errno)));
  if (child == 0) become(command, parent);
  return child;
}

// First asks, then insists.
class Stopper {
 public:
  explicit Stopper(pid_t mpirun) : mpirun_(mpirun) {}
  bool asked() const { return sent_ > 0; }
  void look() {
    if (!stop_requested()) return;
    if (sent_ == 0) since_ = Clock::now();
    const auto waited = Clock::now() - since_;
    if (sent_ == 0) send(SIGUSR1);
    if (sent_ == 1 && waited > kOrderlyStop) send(SIGTERM);
    if (sent_ == 2 && waited > kOrderlyStop + std::chrono::seconds(2)) send(SIGKILL);
  }

 private:
  void send(int signal) {
    kill(mpirun_, signal);
    ++sent_;
  }
  pid_t mpirun_;
  int sent_ = 0;
  Clock::time_point since_;
};

std::vector<pid_t> children() {
  std::vector<pid_t> pids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::string line;
    if (!std::getline(std::ifstream(entry.path() / "stat"), line)) continue;   // gone meanwhile
    char state = 0;
    pid_t parent = 0;
    std::istringstream(line.substr(line.rfind(')') + 1)) >> state >> parent;
    if (parent == getpid()) pids.push_back(std::stoi(name));
  }
  return pids;
}

// Whether there are none.
bool reap() {
  pid_t pid;
  while ((pid = waitpid(-1, nullptr, WNOHANG)) > 0) continue;
  return pid < 0 && errno == ECHILD;
}

void end_orphans() {
  const auto deadline = Clock::now() + kOrphansLeave;
  while (!reap()) {
    if (Clock::now() > deadline)
      for (pid_t pid : children()) kill(pid, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace

WorldEnd run_world(const std::vector<std::string>& mpirun_command) {
  const pid_t mpirun = start(mpirun_command);
  Stopper stopper(mpirun);
  int status = 0;
  while (waitpid(mpirun, &status, WNOHANG) == 0) {
    stopper.look();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  end_orphans();
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 0, WIFSIGNALED(status) ? WTERMSIG(status) : 0, stopper.asked()};
}

}  // namespace palimpsest
