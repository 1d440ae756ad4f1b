#include <fmt/core.h>
#include <chrono>
#include <iostream>

#include "launch/commands.h"
#include "launch/host_facts.h"
#include "launch/link_trial.h"

// What `launch` starts on each host before it starts ranks there. It says a line of facts, and then answers lines:
// "time" with its clock, "links TARGETS" with how the connections went. It ends with its input.

namespace palimpsest {
namespace {

double clock_here() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void say(const std::string& line) { std::cout << line << "\n" << std::flush; }

int answer_launch(const std::vector<std::string>& inputs, const std::string& folder_token) {
  const LinkListener listener;
  HostFacts facts = facts_of_this_host(inputs, folder_token);
  facts.port = listener.port();
  facts.token = listener.token();
  say(encode(facts));
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "time") say(fmt::format("{:.6f}", clock_here()));
    if (line.starts_with("links ")) say(encode(try_links(targets_in(line.substr(6)))));
  }
  return 0;
}

}  // namespace

Run add_peer(CommandLine& command) {
  struct Options {
    std::vector<std::string> inputs;
    std::string folder_token;
  };
  auto options = std::make_shared<Options>();
  command.hide();  // for launch, not for people
  command.add_option("--input", options->inputs, "a file whose content all hosts must share")->allow_extra_args(false);
  command.add_option("--folder-token", options->folder_token, "a file that is there where hosts share the folder");
  return [options](MpiWorld&) { return answer_launch(options->inputs, options->folder_token); };
}

}  // namespace palimpsest
