#pragma once

#include "launch/command.h"

namespace palimpsest {

// The subcommands of `palimpsest weights`, one file each: command_weights_NAME.cc.
Run add_weights_export(CommandLine&);
Run add_weights_import(CommandLine&);
Run add_weights_inspect(CommandLine&);

}  // namespace palimpsest
