#pragma once

#include "launch/command.h"

namespace palimpsest {

// The subcommands of `palimpsest weights`, one file each: command_weights_NAME.cc.
Run add_weights_export(CLI::App&);
Run add_weights_import(CLI::App&);
Run add_weights_inspect(CLI::App&);

}  // namespace palimpsest
