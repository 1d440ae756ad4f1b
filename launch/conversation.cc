#include "launch/conversation.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <thread>

#include "launch/execute.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLeave{500};

[[noreturn]] void become(const std::vector<std::string>& command, int input, int output, int errors) {
  setpgid(0, 0);  // Ctrl-C is launch's to heed
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(input, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(errors, STDERR_FILENO);
  execute(command);
  dprintf(STDERR_FILENO, "%s: cannot be started\n", command.front().c_str());
  _exit(127);
}

// Adds what is there; false at its end.
bool take(int from, std::string& text) {
  std::array<char, 4096> bytes;
  const ssize_t got = read(from, bytes.data(), bytes.size());
  if (got > 0) text.append(bytes.data(), static_cast<std::size_t>(got));
  return got > 0;
}

}  // namespace

Conversation::Conversation(const std::vector<std::string>& command) {
  int input[2], output[2], errors[2];
  if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0)
    throw Interrupted("no pipe could be made: too many files are open.");
  child_ = fork();
  if (child_ < 0) throw Interrupted("no process could be started. Run the same command again.");
  if (child_ == 0) become(command, input[0], output[1], errors[1]);
  close(input[0]), close(output[1]), close(errors[1]);
  to_ = input[1], from_ = output[0], complaints_ = errors[0];
  fcntl(complaints_, F_SETFL, O_NONBLOCK);
}

Conversation::~Conversation() {
  close(to_);
  const auto deadline = Clock::now() + kLeave;
  while (!ended() && Clock::now() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  if (!ended()) {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  close(from_);
  close(complaints_);
}

bool Conversation::say(const std::string& line) {
  const std::string text = line + "\n";
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t gone = write(to_, text.data() + at, text.size() - at);
    if (gone <= 0) return false;
    at += static_cast<std::size_t>(gone);
  }
  return true;
}

std::optional<std::string> Conversation::hear(std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  for (;;) {
    if (const auto end = heard_.find('\n'); end != std::string::npos) {
      const std::string line = heard_.substr(0, end);
      heard_.erase(0, end + 1);
      return line;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd ready = {from_, POLLIN, 0};
    if (left <= 0 || poll(&ready, 1, static_cast<int>(left)) == 0) return std::nullopt;
    if (!take(from_, heard_)) return std::nullopt;
  }
}

std::string Conversation::complaint() {
  std::string text;
  while (take(complaints_, text)) continue;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  const auto line = text.rfind('\n');
  return line == std::string::npos ? text : text.substr(line + 1);
}

std::optional<int> Conversation::ended() {
  int status = 0;
  if (!status_ && waitpid(child_, &status, WNOHANG) == child_)
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return status_;
}

}  // namespace palimpsest
