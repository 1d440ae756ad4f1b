#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "launch/command_line.h"
#include "runtime/settings.h"

// Options that several commands have, declared once, so that they read alike in every --help.

namespace palimpsest {

/// FILE and --set of commands that read a definition.
struct DefinitionArgument {
  std::filesystem::path file;
  std::vector<std::string> sets;

  std::vector<Override> overrides() const;   // throws InputError where one is no KEY=VALUE
};
std::shared_ptr<DefinitionArgument> add_definition_argument(CommandLine& command, const std::string& what);
DefinitionArgument definition_argument_of(const CommandLine& command);   // once it has parsed them

/// --out DIR.
Option* add_out(CommandLine& command, std::filesystem::path& out, const std::string& what);

/// --device auto|cpu|cuda|cuda:N (runtime/device.h).
Option* add_device(CommandLine& command, std::string& device, const std::string& what);

/// --cuda-graphs (runtime/step_graph.h).
void add_cuda_graphs(CommandLine& command, bool& on);

/// --fused-adapters (runtime/low_rank.h).
void add_fused_adapters(CommandLine& command, bool& on);

}  // namespace palimpsest
