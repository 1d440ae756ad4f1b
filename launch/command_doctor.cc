#include <cstdio>

#include "launch/commands.h"
#include "launch/doctor.h"

namespace palimpsest {
namespace {

std::vector<Finding> examine(const std::filesystem::path& results) {
  std::vector<Finding> all;
  for (const auto& part : {examine_processor(), examine_devices(), examine_mpi(), examine_disk(results),
                           examine_limits(), examine_surroundings()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

int tell(const std::vector<Finding>& findings, bool json) {
  std::fputs((json ? findings_json(findings) : findings_text(findings)).c_str(), stdout);
  return stops(findings) ? 2 : 0;
}

}  // namespace

Run add_doctor(CommandLine& command) {
  struct Options {
    std::filesystem::path out = ".";
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  command.add_option("--out", options->out, "folder that results would go to")->type_name("DIR")->capture_default_str();
  command.add_flag("--json", options->json, "for scripts");
  command.footer(
      "ok: fine. note: a run works, but could be faster or safer. stops: a run would not work; then the exit code is "
      "2.");
  return [options](MpiWorld&) { return tell(examine(options->out), options->json); };
}

}  // namespace palimpsest
