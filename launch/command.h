#pragma once

#include <functional>
#include <string>
#include <vector>

#include "launch/command_line.h"
#include "launch/definition_needs.h"

namespace palimpsest {

class MpiWorld;
struct DefinitionArgument;

/// One subcommand: declares its options on the app it is given and returns what to do. Its exit code is the program's; a thrown
/// palimpsest::Error is printed as one sentence and ends with that error's code.
using Run = std::function<int(MpiWorld&)>;
using AddCommand = Run (*)(CommandLine& command);

/// Who runs a command that was started under mpirun.
enum class Ranks { kFirst, kAll };

/// What the definition needs that a command over all ranks is given; throws InputError where it cannot be read.
using NeedsOfDefinition = DefinitionNeeds (*)(const DefinitionArgument&);

struct Command {
  const char* name;
  const char* help;
  AddCommand add;
  Ranks ranks;
  NeedsOfDefinition needs = nullptr;   // of a command over all ranks: what `launch` looks at before it starts them
};

/// The commands of the program, in the order of --help (commands.cc: the one list).
const std::vector<Command>& commands();

}  // namespace palimpsest
