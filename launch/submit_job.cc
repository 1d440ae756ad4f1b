#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "launch/submit.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

const std::string* value_after(const std::vector<std::string>& words, const std::string& option) {
  const auto at = std::ranges::find(words, option);
  return at == words.end() || at + 1 == words.end() ? nullptr : &*(at + 1);
}

}  // namespace

const std::vector<Engine>& engines() {
  static const std::vector<Engine> list = {slurm_engine(), kubernetes_engine(), aws_batch_engine(), skypilot_engine()};
  return list;
}

bool is_sweep(const SubmitRequest& request) { return !request.command.empty() && request.command[0] == "sweep"; }

std::filesystem::path out_of(const SubmitRequest& request) {
  if (const std::string* out = value_after(request.command, "--out")) return *out;
  throw InputError("submit: the command has no --out DIR. Say where results go: palimpsest submit slurm sweep FILE.toml --out DIR");
}

std::string shell_word(const std::string& word) {
  const bool plain = !word.empty() && std::ranges::all_of(word, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("@%+=:,./_-").find(c) != std::string_view::npos; });
  if (plain) return word;
  std::string quoted = "'";
  for (char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string job_line(const SubmitRequest& request, const std::string& slice, const std::vector<std::string>& launch_options) {
  std::string line = shell_word(request.program) + " launch";
  for (const std::string& option : launch_options) line += " " + option;
  const std::string out = out_of(request).string();
  for (std::size_t i = 0; i < request.command.size(); ++i) {
    const bool folder = i > 0 && request.command[i - 1] == "--out";
    line += " " + (folder && !slice.empty() ? fmt::format("{}/slice-{}", shell_word(out), slice) : shell_word(request.command[i]));
  }
  if (!slice.empty()) line += fmt::format(" --slice {}/{}", slice, request.slices);
  if (is_sweep(request) && !request.backup.empty()) line += " --backup " + shell_word(request.backup) + (slice.empty() ? "" : "/slice-" + slice);
  return line;
}

std::string timed_line(const SubmitRequest& request, const std::string& line) {
  if (request.hours == 0) return line;
  // In the foreground only `launch` is asked: mpirun, which would die of it before its ranks, is not.
  return fmt::format("timeout --foreground --preserve-status {:.0f} {}", request.hours * 3600 - request.stop_before, line);
}

// A signal ends `wait`, not what is waited for: after one it is waited for again.
std::string with_signals(const std::string& line, const std::string& signals, const std::string& sent) {
  return fmt::format("trap 'asked=1; kill -{} \"${{!-}}\" 2>/dev/null' {}\n{} &\nasked=1\nwhile [ \"$asked\" = 1 ]; do\n  asked=0\n  wait \"$!\"\n  code=$?\ndone\n", sent, signals, line);
}

std::string job_name(const SubmitRequest& request) {
  std::string name = request.name;
  if (name.empty() && request.command.size() > 1) name = request.command[0] + "-" + std::filesystem::path(request.command[1]).stem().string();
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(std::tolower(static_cast<unsigned char>(c))) : '-';
  while (!name.empty() && (name.front() == '-' || name.back() == '-')) name.erase(name.front() == '-' ? 0 : name.size() - 1, 1);
  return name.empty() ? "palimpsest" : name.substr(0, 50);
}

}  // namespace palimpsest
