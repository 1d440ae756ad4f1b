#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace palimpsest {

/// Work to hand to a batch system, and what it is to have. Which of these an engine reads, its own page says.
struct SubmitRequest {
  std::vector<std::string> command;      // sweep FILE.toml --out DIR ...; pretrain FILE.toml --out DIR ...
  std::string name;                      // of the job; from the command without it
  int nodes = 1, ranks_per_node = 1, cores_per_rank = 1, gpus_per_node = 0;
  double memory_per_rank = 2;            // GiB
  double hours = 0;                      // of one job, after which it is stopped, and taken up again
  int stop_before = 120;                 // seconds before that at which it is asked to stop
  int slices = 0;                        // 0: one job with all nodes; else an array of this many, each with a ledger of its own
  int at_once = 0;                       // slices that run at the same time; 0: all
  std::vector<std::string> extra;        // lines for the engine, as they are
  std::string image = "palimpsest:latest", volume, mount = "/data";
  std::string queue, role, space = "default";
  std::string backup;                    // folder that outlives a machine, where each ledger is copied
  bool spot = true;
  std::string program = "palimpsest", folder;   // the program and the working folder, as the job sees them
};

/// A file an engine takes, and the commands that hand it over. In a command's words, "@FILE" stands for the file's path.
struct Submission {
  std::string file_name, text;
  std::vector<std::vector<std::string>> commands;
};

/// A batch system.
struct Engine {
  const char* name;
  const char* help;
  Submission (*render)(const SubmitRequest&);
  /// What is said by its commands is read for the job's id.
  std::string (*id_in)(const std::string& said);
  std::vector<std::string> (*ask)(const std::string& id);      // how it is
  std::vector<std::string> (*cancel)(const std::string& id);
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
std::string shell_word(const std::string& word);                        // quoted where it must be
std::string job_name(const SubmitRequest&);                             // letters, digits and dashes

}  // namespace palimpsest
