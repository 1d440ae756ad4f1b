#include "launch/command_weights.h"

#include "launch/commands.h"

namespace palimpsest {
namespace {

constexpr struct {
  const char* name;
  const char* help;
  AddCommand add;
} kSubcommands[] = {
    {"import", "slow weights out of another library's safetensors file", add_weights_import},
    {"export", "slow weights under another library's names", add_weights_export},
    {"inspect", "what a safetensors file or a checkpoint holds", add_weights_inspect},
};

}  // namespace

Run add_weights(CommandLine& command) {
  command.require_subcommand();
  std::vector<std::pair<CommandLine*, Run>> runs;
  for (const auto& [name, help, add] : kSubcommands) {
    auto* sub = command.add_subcommand(name, help);
    runs.emplace_back(sub, add(*sub));
  }
  return [runs](MpiWorld& world) {
    for (const auto& [sub, run] : runs)
      if (sub->parsed()) return run(world);
    return 2;  // the parser requires one of them
  };
}

}  // namespace palimpsest
