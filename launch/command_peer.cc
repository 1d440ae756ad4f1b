#include "launch/commands.h"
#include "launch/peer_answers.h"

// What `launch` starts on each host where there is no palimpsest-peer beside the program: the bundle.

namespace palimpsest {

Run add_peer(CommandLine& command) {
  struct Options {
    std::vector<std::string> inputs;
    std::string folder_token;
  };
  auto options = std::make_shared<Options>();
  command.hide();  // for launch, not for people
  command.add_option("--input", options->inputs, "a file whose content all hosts must share")->allow_extra_args(false);
  command.add_option("--folder-token", options->folder_token, "a file that is there where hosts share the folder");
  return [options](MpiWorld&) { return answer_launch(options->inputs, options->folder_token, "/proc/self/exe"); };
}

}  // namespace palimpsest
