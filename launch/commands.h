#pragma once

#include "launch/command.h"

namespace palimpsest {

// One function a command, each in a file of its own, command_NAME.cc; commands.cc lists them.
Run add_doctor(CLI::App&);
Run add_cancel(CLI::App&);
Run add_evaluate(CLI::App&);
Run add_explain(CLI::App&);
Run add_export(CLI::App&);
Run add_launch(CLI::App&);
Run add_features(CLI::App&);
Run add_init(CLI::App&);
Run add_images(CLI::App&);
Run add_peer(CLI::App&);
Run add_ledger(CLI::App&);
Run add_logs(CLI::App&);
Run add_plan(CLI::App&);
Run add_status(CLI::App&);
Run add_pretrain(CLI::App&);
Run add_power(CLI::App&);
Run add_report(CLI::App&);
Run add_reproduce(CLI::App&);
Run add_watch(CLI::App&);
Run add_schema(CLI::App&);
Run add_submit(CLI::App&);
Run add_show(CLI::App&);
Run add_sweep(CLI::App&);
Run add_weights(CLI::App&);

}  // namespace palimpsest
