#pragma once

// Sweeps as processes: the real program, alone or under mpirun, on the study `planted`.

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace palimpsest {

struct ProcessSetting {
  std::map<std::string, std::string> environment = {};
  bool no_override = false;        // as root: obey file permissions like anybody else
  std::size_t largest_file = 0;    // bytes a file may have; 0: any
};

/// A child process of the test, ended with it. What it writes goes to a file.
class Process {
 public:
  Process(const std::vector<std::string>& command, const std::filesystem::path& output, const ProcessSetting& setting = {});
  ~Process();                      // SIGKILL where it still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  void send(int signal);
  /// Waits for the end; its exit code, or minus the signal that killed it. A test that waits longer than `deadline` seconds is aborted.
  int wait(double deadline = 120);
  std::string output() const;

 private:
  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
  std::filesystem::path output_;
};

/// Polls until `state` holds; whether it did within `deadline` seconds.
bool wait_until(const std::function<bool()>& state, double deadline = 60);

/// Processes whose parent is `parent`, in the order in which they were started: the ranks of an mpirun.
std::vector<pid_t> children_of(pid_t parent);
/// Whether it is there and no zombie.
bool is_running(pid_t pid);

/// `mpirun -n N palimpsest WORDS...` (without mpirun where `ranks` is 0), with the flags of this machine.
std::vector<std::string> palimpsest_command(int ranks, const std::vector<std::string>& words);

/// `palimpsest launch --oversubscribe -n N WORDS...`.
std::vector<std::string> launch_command(int ranks, const std::vector<std::string>& words);

/// Runs that a folder's ledger holds as done; 0 where there is none yet.
std::int64_t runs_done(const std::filesystem::path& results);

/// All tables of a results folder's export in one text: name, then content.
std::string exported(const std::filesystem::path& results);
/// Of the slices of one sweep, read as one.
std::string exported(const std::vector<std::filesystem::path>& slices);

}  // namespace palimpsest
