#include "launch/provenance.h"

#include <gnu/libc-version.h>
#include <sqlite3.h>
#include <sys/utsname.h>
#include <torch/headeronly/version.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "launch/commit.h"
#include "launch/device_text.h"
#include "launch/process_identity.h"
#include "launch/provenance_mpi.h"
#include "runtime/host_name.h"

namespace palimpsest {
namespace {

std::string kernel() {
  utsname names = {};
  uname(&names);
  return std::string(names.sysname) + " " + names.release + " " + names.machine;
}

// A path that is there, also behind "--out=" or "--set key=", from the root on: the command can be given again from any folder.
std::string from_the_root(const std::string& word) {
  const std::string path = word.substr(word.rfind('=') + 1);
  std::error_code none;
  if (path.empty() || path[0] == '/' || !std::filesystem::exists(path, none)) return word;
  return word.substr(0, word.size() - path.size()) + std::filesystem::absolute(path).lexically_normal().string();
}

// Words of the command line are separated by zeros. The second is a subcommand, whatever lies here by its name.
std::string command_line() {
  std::ifstream words("/proc/self/cmdline");
  std::string text;
  int place = 0;
  for (std::string word; std::getline(words, word, '\0'); ++place) text += (text.empty() ? "" : " ") + (place == 1 ? word : from_the_root(word));
  return text;
}

// The first word that follows `name` in a file of the system; empty where there is none.
std::string after(const char* file, const std::string& name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (const auto at = line.find(name); at != std::string::npos) {
      std::istringstream rest(line.substr(at + name.size()));
      std::string word;
      std::getline(rest >> std::ws, word);
      return word;
    }
  return "";
}

std::string operating_system() {
  std::string name = after("/etc/os-release", "PRETTY_NAME=");
  std::erase(name, '"');
  return name.empty() ? "unknown" : name;
}

// "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.12 ..."
std::string driver() {
  const std::string text = after("/proc/driver/nvidia/version", "NVRM version:");
  return text.empty() ? "none" : text;
}

}  // namespace

std::map<std::string, std::string> host_provenance() {
  return {{"libtorch", TORCH_VERSION},
          {"mpi", mpi_library()},
          {"sqlite", sqlite3_libversion()},
          {"libc", gnu_get_libc_version()},
          {"processor", processor_text()},
          {"driver", driver()},
          {"system", operating_system()},
          {"kernel", kernel()}};
}

std::map<std::string, std::string> provenance(int ranks) {
  std::map<std::string, std::string> facts = {{"program", "palimpsest " PALIMPSEST_VERSION},
                                              {"commit", kCommit},
                                              {"compiler", "g++ " __VERSION__},
                                              {"build", PALIMPSEST_BUILD},
                                              {"host", host_name()},
                                              {"ranks", std::to_string(ranks)},
                                              {"command", command_line()}};
  facts.merge(host_provenance());
  return facts;
}

}  // namespace palimpsest
