#include "launch/world_process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include "launch/execute.h"
#include "launch/stop_signal.h"
#include "runtime/error.h"
#include "runtime/scratch_folder.h"

namespace palimpsest {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kOrderlyStop{12};  // more than ranks take to stop in order
constexpr std::chrono::seconds kAfterRank0{15};   // for mpirun to end when rank 0 is through
constexpr std::chrono::seconds kOrphansLeave{
    4};  // ranks see within a second that mpirun is gone; rank 0 commits what it has

struct Pipe {
  int reading = -1, writing = -1;
};

Pipe make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw Interrupted("no pipe could be made: too many files are open.");
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {ends[0], ends[1]};
}

// Open MPI names the folder of a session by mpirun's process number, leaves it where mpirun is killed, and cannot start when that number comes again. So
// each world has a place of its own for it; where none can be made, Open MPI says what is wrong with the one it takes.
void name_in_environment(const ScratchFolder& sessions) {
  for (const char* variable : {"PRTE_MCA_prte_local_tmpdir_base", "OMPI_MCA_orte_local_tmpdir_base"})  // of versions 5 and 4
    if (!sessions.path().empty()) setenv(variable, sessions.path().c_str(), /*overwrite=*/0);
}

// In the child. mpirun gets a process group of its own, so that Ctrl-C reaches us alone; a background group must not
// read the terminal.
[[noreturn]] void become(const std::vector<std::string>& command, const ScratchFolder& sessions, pid_t parent, int output, int errors) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(3);  // we died before the line above
  if (const int nothing = open("/dev/null", O_RDONLY); nothing >= 0) dup2(nothing, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(errors, STDERR_FILENO);
  name_in_environment(sessions);
  execute(command);
  std::fprintf(stderr, "palimpsest: %s: cannot be started: %s. Run launch/setup.sh and build again.\n", command.front().c_str(),
               std::strerror(errno));
  _exit(127);
}

// One of mpirun's two streams, shown on ours.
class Stream {
 public:
  Stream(Tags tags, int shown_on) : pipe_(make_pipe()), lines_(tags), shown_on_(shown_on) {}
  ~Stream() {
    show(lines_.rest());
    close(pipe_.reading);
    if (pipe_.writing >= 0) close(pipe_.writing);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  const std::optional<RankLoss>& loss() const { return lines_.loss(); }
  int writing() const { return pipe_.writing; }
  int reading() const { return pipe_.reading; }
  void leave_writing_to_child() { close(std::exchange(pipe_.writing, -1)); }
  void pass_on() {
    std::array<char, 65536> bytes;
    for (ssize_t got; (got = read(pipe_.reading, bytes.data(), bytes.size())) > 0;)
      show(lines_.feed({bytes.data(), static_cast<std::size_t>(got)}));
  }

 private:
  void show(const std::string& text) const {
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t gone = write(shown_on_, text.data() + at, text.size() - at);
      if (gone < 0 && errno != EINTR) return;  // nobody reads any more
      if (gone > 0) at += static_cast<std::size_t>(gone);
    }
  }
  Pipe pipe_;
  RankLines lines_;
  const int shown_on_;
};

pid_t start(const std::vector<std::string>& command, const ScratchFolder& sessions, Stream& output, Stream& errors) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // ranks of an mpirun that was killed become our children, so that we can end them
  const pid_t parent = getpid(), child = fork();
  if (child < 0)
    throw Interrupted(
        fmt::format("no process could be started: {}. Run the same command again.", std::strerror(errno)));
  if (child == 0) become(command, sessions, parent, output.writing(), errors.writing());
  output.leave_writing_to_child();
  errors.leave_writing_to_child();
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

// An mpirun that stays when rank 0 is through.
class Lingering {
 public:
  explicit Lingering(pid_t mpirun) : mpirun_(mpirun) {}
  bool killed() const { return signals_ > 0; }
  void look(bool through) {
    if (!through) return;
    if (since_ == Clock::time_point{}) since_ = Clock::now();
    const auto waited = Clock::now() - since_;
    if (waited > kAfterRank0 && signals_ == 0) kill(mpirun_, SIGTERM), ++signals_;
    if (waited > kAfterRank0 + std::chrono::seconds(3) && signals_ == 1) kill(mpirun_, SIGKILL), ++signals_;
  }

 private:
  const pid_t mpirun_;
  Clock::time_point since_{};  // rank 0 is through
  int signals_ = 0;
};

std::vector<pid_t> children() {
  std::vector<pid_t> pids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::string line;
    if (!std::getline(std::ifstream(entry.path() / "stat"), line)) continue;  // gone meanwhile
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

WorldEnd run_world(const std::vector<std::string>& command, Tags tags, const std::function<bool()>& through) {
  Stream output(tags, STDOUT_FILENO), errors(tags, STDERR_FILENO);
  const auto pass_on = [&] {
    pollfd some[] = {{output.reading(), POLLIN, 0}, {errors.reading(), POLLIN, 0}};
    if (poll(some, 2, 20) > 0 && ((some[0].revents | some[1].revents) & POLLIN) == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));  // both ended
    output.pass_on();
    errors.pass_on();
  };
  const ScratchFolder sessions("palimpsest");
  const pid_t mpirun = start(command, sessions, output, errors);
  Stopper stopper(mpirun);
  Lingering lingering(mpirun);
  int status = 0;
  while (waitpid(mpirun, &status, WNOHANG) == 0) {
    stopper.look();
    lingering.look(through());
    pass_on();
  }
  end_orphans();
  pass_on();
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
          .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
          .asked_to_stop = stopper.asked(),
          .hung = lingering.killed(),
          .loss = errors.loss() ? errors.loss() : output.loss()};
}

}  // namespace palimpsest
