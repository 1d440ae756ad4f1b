#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace palimpsest {

/// Work to hand to a batch system, and what it is to have. Which of these an engine reads, its OptionsRead say.
struct SubmitRequest {
  std::vector<std::string> command;      // sweep FILE.toml --out DIR ...; pretrain FILE.toml --out DIR ...
  std::string name;                      // of the job; from the command without it
  int nodes = 1, ranks_per_node = 1, cores_per_rank = 1, gpus_per_node = 0;
  double memory_per_rank = 2;            // GiB
  double hours = 0;                      // of one turn of a job, after which it is stopped, and taken up again
  int stop_before = 120;                 // seconds before that at which it is asked to stop
  int slices = 0;                        // 0: one job with all nodes; else an array of this many, each with a ledger of its own
  int at_once = 0;                       // slices that run at the same time; 0: all
  std::vector<std::string> extra;        // lines for the engine, as they are
  std::string image = "palimpsest:latest", volume, mount = "/data";
  std::string accelerator;               // what kind of GPU
  std::string queue, role, space = "default";
  std::string backup;                    // folder that outlives a machine, where each ledger is copied
  bool spot = true;
  std::string program, folder;           // the program and the working folder, as the job sees them
};

/// A file an engine takes, and the commands that hand it over. In a command's words, "@FILE" stands for the file's path.
struct Submission {
  std::string file_name, text;
  std::vector<std::vector<std::string>> commands;
  std::string space = {};                // the namespace its jobs are found in, where the engine has some
};

/// Options of `submit` that an engine reads, besides those that all do. One that it does not read is refused: it would be believed to hold.
struct OptionsRead {
  std::vector<std::string> always;
  std::vector<std::string> of_one_world = {}, of_slices = {};
};

/// A job, as the batch system calls it.
struct JobId {
  std::string id;
  std::string space;                     // its namespace, where the engine has some
};

/// A batch system.
struct Engine {
  const char* name;
  const char* help;
  bool container;                        // jobs run in an image and see its program and a volume, not this machine's folders
  OptionsRead options;
  Submission (*render)(const SubmitRequest&);
  /// What is said by its commands is read for the job's id.
  std::string (*id_in)(const std::string& said);
  std::vector<std::string> (*ask)(const JobId&);      // how it is; a command that names no job answers for all, each in lines that begin with its id
  std::vector<std::string> (*cancel)(const JobId&);
};

/// The batch systems we know (submit_engines.cc: the one list).
const std::vector<Engine>& engines();

// One file each.
Engine slurm_engine();
Engine kubernetes_engine();
Engine aws_batch_engine();
Engine skypilot_engine();

bool is_sweep(const SubmitRequest&);
std::filesystem::path out_of(const SubmitRequest&);                     // the folder of --out; throws InputError where there is none
/// The command line of one job, for a shell. `slice`: a shell expression for the slice's number (from 1); empty: all of it.
std::string job_line(const SubmitRequest&, const std::string& slice, const std::vector<std::string>& launch_options = {});
/// A job's line in the folder of the job, where no batch system stops it in order: asked to stop --stop-before its --hours are over, it ends with 3.
std::string timed_line(const SubmitRequest&, const std::string& line);
/// Shell text that runs a job's line, passes `signals` on to it as `sent`, and leaves in $code what it ended with.
std::string with_signals(const std::string& line, const std::string& signals, const std::string& sent);
std::string shell_word(const std::string& word);                        // quoted where it must be
std::string job_name(const SubmitRequest&);                             // letters, digits and dashes

}  // namespace palimpsest
