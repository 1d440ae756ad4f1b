#include "tests/sweep_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "runtime/durable_file.h"
#include "sweeps/ledger.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

constexpr int kCapDacOverride = 1, kCapDacReadSearch = 2;   // linux/capability.h

[[noreturn]] void become(const std::vector<std::string>& command, const std::filesystem::path& output, const ProcessSetting& setting) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int file = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  dup2(file, STDOUT_FILENO);
  dup2(file, STDERR_FILENO);
  for (const auto& [name, value] : setting.environment) setenv(name.c_str(), value.c_str(), 1);
  if (setting.no_override)
    for (int capability : {kCapDacOverride, kCapDacReadSearch}) prctl(PR_CAPBSET_DROP, capability);
  if (setting.largest_file > 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {setting.largest_file, setting.largest_file};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execv(words[0], words.data());
  _exit(127);
}

struct Stat {
  char state = 0;
  pid_t parent = 0;
};

Stat stat_of(pid_t pid) {
  std::string line;
  Stat stat;
  if (std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/stat"), line))
    std::istringstream(line.substr(line.rfind(')') + 1)) >> stat.state >> stat.parent;
  return stat;
}

}  // namespace

Process::Process(const std::vector<std::string>& command, const std::filesystem::path& output, const ProcessSetting& setting) : output_(output) {
  pid_ = fork();
  if (pid_ == 0) become(command, output, setting);
}

Process::~Process() {
  if (!running()) return;
  send(SIGKILL);
  wait();
}

bool Process::running() {
  if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return !ended_;
}

void Process::send(int signal) { kill(pid_, signal); }

int Process::wait(double deadline) {
  if (!wait_until([this] { return !running(); }, deadline)) {
    std::fprintf(stderr, "process %d is still there after %.0f s:\n%s\n", pid_, deadline, output().c_str());
    kill(pid_, SIGKILL);
    std::abort();
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_);
}

std::string Process::output() const { return std::filesystem::exists(output_) ? read_file(output_) : ""; }

bool wait_until(const std::function<bool()>& state, double deadline) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(deadline);
  while (!state()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> pids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") == std::string::npos && stat_of(std::stoi(name)).parent == parent) pids.push_back(std::stoi(name));
  }
  std::ranges::sort(pids);
  return pids;
}

bool is_running(pid_t pid) {
  const char state = stat_of(pid).state;
  return state != 0 && state != 'Z' && state != 'X';
}

std::vector<std::string> palimpsest_command(int ranks, const std::vector<std::string>& words) {
  std::vector<std::string> command;
  if (ranks > 0) {
    // mpirun names the folder of a session by its process number, which comes again, and leaves it where it is killed, as here it is.
    static const TemporaryFolder sessions;
    setenv("PRTE_MCA_prte_local_tmpdir_base", sessions.path().c_str(), 1);
    command = {PALIMPSEST_MPIRUN};
    if (std::string(PALIMPSEST_MPI_PREFIX) != "") command.insert(command.end(), {"--prefix", PALIMPSEST_MPI_PREFIX});
    if (geteuid() == 0) command.push_back("--allow-run-as-root");
    command.insert(command.end(), {"--oversubscribe", "--bind-to", "none", "-n", std::to_string(ranks)});
  }
  command.push_back(PALIMPSEST_PROGRAM);
  command.insert(command.end(), words.begin(), words.end());
  return command;
}

std::vector<std::string> launch_command(int ranks, const std::vector<std::string>& words) {
  std::vector<std::string> command = {PALIMPSEST_PROGRAM, "launch", "--oversubscribe", "-n", std::to_string(ranks)};
  command.insert(command.end(), words.begin(), words.end());
  return command;
}

std::int64_t runs_done(const std::filesystem::path& results) {
  if (!std::filesystem::exists(results / "ledger.sqlite")) return 0;
  try {
    const auto runs = Ledger::open_for_reading(results).runs();
    return std::ranges::count(runs, RunState::kDone, &LedgerRun::state);
  } catch (const InputError&) {   // just made
    return 0;
  }
}

std::string exported(const std::filesystem::path& results) { return exported(std::vector<std::filesystem::path>{results}); }

std::string exported(const std::vector<std::filesystem::path>& slices) {
  const TemporaryFolder out;
  export_csv(Ledger::open_for_reading(slices), out.path());
  std::vector<std::filesystem::path> tables;
  for (const auto& entry : std::filesystem::directory_iterator(out.path())) tables.push_back(entry.path());
  std::ranges::sort(tables);
  std::string text;
  for (const auto& table : tables) text += table.filename().string() + "\n" + read_file(table);
  return text;
}

}  // namespace palimpsest
