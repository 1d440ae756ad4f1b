#include "launch/peer_answers.h"

#include <fmt/core.h>

#include <iostream>

#include "launch/link_trial.h"
#include "runtime/clock.h"

namespace palimpsest {
namespace {

void say(const std::string& line) { std::cout << line << "\n" << std::flush; }

}  // namespace

int answer_launch(const HostQuestions& questions, const std::filesystem::path& program) {
  const LinkListener listener;
  HostFacts facts = facts_of_this_host(questions, program);
  facts.port = listener.port();
  facts.token = listener.token();
  say(encode(facts));
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "time") say(fmt::format("{:.6f}", unix_time()));
    if (line.starts_with("links ")) say(encode(try_links(targets_in(line.substr(6)))));
  }
  return 0;
}

}  // namespace palimpsest
