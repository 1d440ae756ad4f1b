#pragma once

#include "launch/command.h"

namespace palimpsest {

// One function a command, each in a file of its own, command_NAME.cc; commands.cc lists them.
Run add_doctor(CommandLine&);
Run add_cancel(CommandLine&);
Run add_evaluate(CommandLine&);
Run add_explain(CommandLine&);
Run add_export(CommandLine&);
Run add_launch(CommandLine&);
Run add_features(CommandLine&);
Run add_init(CommandLine&);
Run add_images(CommandLine&);
Run add_pairs(CommandLine&);
Run add_peer(CommandLine&);
Run add_ledger(CommandLine&);
Run add_logs(CommandLine&);
Run add_plan(CommandLine&);
Run add_status(CommandLine&);
Run add_pretrain(CommandLine&);
Run add_power(CommandLine&);
Run add_report(CommandLine&);
Run add_reproduce(CommandLine&);
Run add_watch(CommandLine&);
Run add_schema(CommandLine&);
Run add_submit(CommandLine&);
Run add_show(CommandLine&);
Run add_sweep(CommandLine&);
Run add_weights(CommandLine&);

}  // namespace palimpsest
