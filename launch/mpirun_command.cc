#include "launch/mpirun_command.h"

namespace palimpsest {

std::vector<std::string> mpirun_command(const MpirunAtHand& at_hand, const LaunchRequest& request, const std::filesystem::path& program) {
  std::vector<std::string> words = {at_hand.mpirun.string()};
  const auto add = [&](std::initializer_list<std::string> more) { words.insert(words.end(), more); };
  if (!at_hand.prefix.empty()) add({"--prefix", at_hand.prefix});
  if (at_hand.root) add({"--allow-run-as-root"});
  // More ranks than mpirun counts cores are welcome (it counts none that a container shares), and no rank is tied to one: each
  // computes on one thread, and the system places it.
  add({"--oversubscribe", "--bind-to", "none", "-n", std::to_string(request.ranks)});
  if (!request.hosts.empty()) add({"--hostfile", request.hosts.string(), "-x", "PALIMPSEST_EXIT_FILE"});
  add({program.string()});
  words.insert(words.end(), request.command.begin(), request.command.end());
  return words;
}

}  // namespace palimpsest
