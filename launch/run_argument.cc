#include "launch/run_argument.h"

namespace palimpsest {

std::shared_ptr<RunArgument> add_run_argument(CommandLine& command) {
  auto argument = std::make_shared<RunArgument>();
  command.add_option("DIR", argument->results, "the sweep's results folder")->required();
  command.add_option("RUN", argument->run, "the beginning of a run's id, or its number")->required();
  return argument;
}

}  // namespace palimpsest
