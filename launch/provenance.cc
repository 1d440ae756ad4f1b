#include "launch/provenance.h"

#include <sqlite3.h>
#include <sys/utsname.h>
#include <torch/headeronly/version.h>

#include <fstream>
#include <sstream>

#include "launch/commit.h"
#include "launch/process_identity.h"
#include "launch/provenance_mpi.h"

namespace palimpsest {
namespace {

// "model name	: Some CPU @ 2.50GHz"
std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

std::string kernel() {
  utsname names = {};
  uname(&names);
  return std::string(names.sysname) + " " + names.release + " " + names.machine;
}

// Words of the command line are separated by zeros.
std::string command_line() {
  std::ostringstream all;
  all << std::ifstream("/proc/self/cmdline").rdbuf();
  std::string text = all.str();
  if (!text.empty()) text.pop_back();
  for (char& c : text)
    if (c == '\0') c = ' ';
  return text;
}

}  // namespace

std::map<std::string, std::string> provenance(int ranks) {
  return {{"program", "palimpsest " PALIMPSEST_VERSION},
          {"commit", kCommit},
          {"compiler", "g++ " __VERSION__},
          {"libtorch", TORCH_VERSION},
          {"mpi", mpi_library()},
          {"sqlite", sqlite3_libversion()},
          {"host", host_name()},
          {"processor", processor()},
          {"kernel", kernel()},
          {"ranks", std::to_string(ranks)},
          {"command", command_line()}};
}

}  // namespace palimpsest
