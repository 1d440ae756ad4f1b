#include "launch/commands.h"
#include "launch/peer_answers.h"

// What `launch` starts on each host where there is no palimpsest-peer beside the program: the bundle.

namespace palimpsest {

Run add_peer(CommandLine& command) {
  auto questions = std::make_shared<HostQuestions>();
  command.hide();  // for launch, not for people
  command.add_option("--input", questions->inputs, "a file whose content all hosts must share")->allow_extra_args(false);
  command.add_option("--images", questions->images, "a place of images, as JSON, that every host must have")->allow_extra_args(false);
  command.add_option("--folder-token", questions->folder_token, "a file that is there where hosts share the folder");
  return [questions](MpiWorld&) { return answer_launch(*questions, "/proc/self/exe"); };
}

}  // namespace palimpsest
