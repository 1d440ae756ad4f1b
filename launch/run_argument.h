#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "launch/command_line.h"
#include "sweeps/ledger.h"
#include "sweeps/run_record.h"

namespace palimpsest {

/// The arguments DIR RUN of commands that tell of one run of a sweep.
struct RunArgument {
  std::filesystem::path results;
  std::string run;   // the beginning of its id, or its number

  RunRecord record(const Ledger& ledger) const { return ledger.record(ledger.run_named(run)); }
};

std::shared_ptr<RunArgument> add_run_argument(CommandLine& command);

}  // namespace palimpsest
