#include "launch/shared_options.h"

namespace palimpsest {

std::vector<Override> DefinitionArgument::overrides() const {
  std::vector<Override> out;
  for (const std::string& set : sets) out.push_back(parse_override(set));
  return out;
}

std::shared_ptr<DefinitionArgument> add_definition_argument(CommandLine& command, const std::string& what) {
  auto argument = std::make_shared<DefinitionArgument>();
  command.add_option("FILE", argument->file, what)->required()->type_name("TOML");
  command.add_option("--set", argument->sets, "in place of what the file says, as --set training.epochs=20; again for more keys")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  return argument;
}

DefinitionArgument definition_argument_of(const CommandLine& command) {
  return {command.values("FILE").front(), command.values("--set")};
}

Option* add_out(CommandLine& command, std::filesystem::path& out, const std::string& what) {
  return command.add_option("--out", out, what)->type_name("DIR");
}

Option* add_device(CommandLine& command, std::string& device, const std::string& what) {
  return command.add_option("--device", device, what + ": auto (a GPU where there is one, each rank of a host the next), cpu, cuda, cuda:N")
      ->type_name("DEVICE")
      ->capture_default_str();
}

void add_cuda_graphs(CommandLine& command, bool& on) {
  command.add_flag("--cuda-graphs", on,
                   "on GPUs, record a training step as a CUDA graph and do it again from that; what cannot be recorded is computed as without it, and said");
}

void add_fused_adapters(CommandLine& command, bool& on) {
  command.add_flag("--fused-adapters", on,
                   "on GPUs, add adapters of rank 16 or less by one kernel of our own in place of two products; the last places of a run's numbers change");
}

}  // namespace palimpsest
