#include "launch/process_identity.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>

#include "runtime/host_name.h"

namespace palimpsest {
namespace {

struct Stat {
  char state = 0;
  std::uint64_t born = 0;
};

// /proc/PID/stat: "4711 (name, which may hold anything) S 1 ...", the start time being field 22.
std::optional<Stat> stat_of(std::int64_t pid) {
  std::string line;
  if (!std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/stat"), line)) return std::nullopt;
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  Stat stat;
  std::string skipped;
  fields >> stat.state;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  fields >> stat.born;
  return stat;
}

}  // namespace

std::filesystem::path own_program() {
  const char* script = std::getenv("PALIMPSEST_SELF");
  return script ? std::filesystem::path(script) : std::filesystem::read_symlink("/proc/self/exe");
}

ProcessIdentity this_process() {
  const auto stat = stat_of(getpid());
  return {host_name(), getpid(), stat ? stat->born : 0};
}

bool alive(const ProcessIdentity& process) {
  const auto stat = stat_of(process.pid);
  return stat && stat->born == process.born && stat->state != 'Z' && stat->state != 'X';
}

}  // namespace palimpsest
