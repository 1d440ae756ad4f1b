#include "launch/rank_loss.h"

#include <fmt/core.h>

#include <csignal>
#include <cstring>
#include <regex>

namespace palimpsest {
namespace {

constexpr int kNotFound = 127;   // of a program, or of a library it needs

// "Killed" is 9; 0 where it is the name of no signal. srun adds " (core dumped)".
int signal_named(const std::string& name) {
  for (int signal = 1; signal < SIGRTMIN; ++signal)
    if (name.starts_with(strsignal(signal))) return signal;
  return 0;
}

std::optional<RankLoss> told_by_srun(const std::string& text) {
  static const std::regex line(R"(srun: error: (\S+): tasks? (\d+)[-,\d]*: ([^\n]+))"), exited(R"(Exited with exit code (\d+))");
  std::smatch match, code;
  if (!std::regex_search(text, match, line)) return std::nullopt;
  const std::string how = match[3];
  if (std::regex_search(how, code, exited)) return RankLoss{std::stoi(match[2]), match[1], 0, std::stoi(code[1])};
  if (const int signal = signal_named(how)) return RankLoss{std::stoi(match[2]), match[1], signal, 0};
  return std::nullopt;
}

}  // namespace

std::optional<RankLoss> rank_loss_in(const std::string& text) {
  static const std::regex killed(R"(process rank (\d+) with PID \d+ on node (\S+) exited on\s+signal (\d+))"),
      ended(R"(Process name: \[.*,(\d+)\]\s+Exit code:\s+(\d+))");
  std::smatch match;
  if (std::regex_search(text, match, killed)) return RankLoss{std::stoi(match[1]), match[2], std::stoi(match[3]), 0};
  if (std::regex_search(text, match, ended)) return RankLoss{std::stoi(match[1]), "", 0, std::stoi(match[2])};
  return told_by_srun(text);
}

std::string loss_text(const RankLoss& loss) {
  const std::string who = fmt::format("rank {}{}", loss.rank, loss.host.empty() ? "" : " on " + loss.host);
  return loss.signal ? fmt::format("{} was killed by signal {} ({})", who, loss.signal, strsignal(loss.signal)) : fmt::format("{} ended with {}", who, loss.exit_code);
}

std::string loss_advice(const RankLoss& loss) {
  switch (loss.signal) {
    case SIGKILL:
      return "The system does so where memory runs out (dmesg tells of it there): start fewer ranks with -n, or ask for more memory.";
    case SIGILL:
      return "The program was built for another processor: build it on a machine of this kind.";
    case SIGSEGV: case SIGBUS: case SIGABRT: case SIGFPE:
      return "This is a fault in the program or in a library: palimpsest doctor looks at what is around it, log.jsonl among the results holds its last words.";
    case 0:
      return loss.exit_code == kNotFound ? "The program or a library it needs is not there: install the same on every host." : "What it said is above.";
    default:
      return "Somebody or something there ended it: look who, and start again.";
  }
}

}  // namespace palimpsest
