#include "launch/host_probe.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "launch/conversation.h"
#include "launch/process_identity.h"
#include "runtime/clock.h"
#include "runtime/error.h"
#include "runtime/host_name.h"

namespace palimpsest {
namespace {

using namespace std::chrono_literals;

constexpr auto kFactsLimit = 30s, kTimeLimit = 3s, kLinksLimit = 20s;
constexpr int kNoSuchCommand = 127, kSshFailed = 255;

// The light program beside ours; the bundle's script has none.
std::vector<std::string> peer_command(const ProbeRequest& request) {
  const auto light = request.program.parent_path() / "palimpsest-peer";
  std::vector<std::string> words = {request.program.string(), "peer"};
  if (std::filesystem::exists(light)) words = {light.string()};
  for (const std::string& file : request.questions.inputs) words.insert(words.end(), {"--input", file});
  for (const std::string& place : request.questions.images) words.insert(words.end(), {"--images", place});
  if (!request.questions.folder_token.empty()) words.insert(words.end(), {"--folder-token", request.questions.folder_token});
  return words;
}

bool through_slurm(const ProbeRequest& request) { return std::ranges::find(request.shell, "srun") != request.shell.end(); }

std::vector<std::string> command_for(const ProbeRequest& request, const Host& host) {
  if (host.name == host_name() || host.name == "localhost") return peer_command(request);
  std::vector<std::string> words = request.shell;
  if (through_slurm(request)) {   // takes a command as its words
    words.push_back(host.name);
    for (std::string& word : peer_command(request)) words.push_back(std::move(word));
    return words;
  }
  if (words.front() == "ssh") words.insert(words.end(), {"-o", "BatchMode=yes", "-o", "ConnectTimeout=5"});
  words.insert(words.end(), {host.name, shell_line(peer_command(request))});
  return words;
}

std::string why_silent(Conversation& talk, const ProbeRequest& request) {
  const auto code = talk.ended();
  const std::string complaint = talk.complaint();
  if (!code) return fmt::format("nothing came from it within {} s", kFactsLimit.count());
  if (*code == kNoSuchCommand) return fmt::format("there is no {} on it", request.program.string());
  if (through_slurm(request)) return fmt::format("Slurm starts nothing on it{}", complaint.empty() ? "" : ": " + complaint);
  if (*code == kSshFailed) return fmt::format("it cannot be reached{}", complaint.empty() ? "" : ": " + complaint);
  return fmt::format("{} ended with {} on it{}", request.program.string(), *code,
                     complaint.empty() ? "" : ": " + complaint);
}

// One host, from the first word to the last.
class Probe {
 public:
  Probe(const ProbeRequest& request, const Host& host) : request_(request), talk_(command_for(request, host)) {
    report.name = host.name;
  }

  void hear_facts() {
    const auto line = talk_.hear(kFactsLimit);
    try {
      if (line) report.facts = host_facts_in(*line);
    } catch (const InputError& error) {
      report.trouble =
          fmt::format("{}: its shell writes to standard output before any command; let it be silent", error.what());
      return;
    }
    if (!line) {
      std::this_thread::sleep_for(50ms);  // for its exit code
      report.trouble = why_silent(talk_, request_);
    }
  }

  void compare_clocks() {
    if (!report.facts) return;
    const double before = unix_time();
    if (!talk_.say("time")) return;
    const auto line = talk_.hear(kTimeLimit);
    if (!line) return;
    const double after = unix_time();
    report.clock_doubt = (after - before) / 2;
    report.clock_ahead = std::atof(line->c_str()) - (before + after) / 2;
  }

  void try_links(const std::vector<Target>& targets) {
    if (!report.facts || !talk_.say("links " + encode(targets))) return;
    const auto line = talk_.hear(kLinksLimit);
    if (line) report.links = links_in(*line);
  }

  HostReport report;

 private:
  const ProbeRequest& request_;
  Conversation talk_;
};

using Probes = std::vector<std::unique_ptr<Probe>>;

void each_at_once(Probes& probes, const std::function<void(Probe&)>& act) {
  std::vector<std::jthread> threads;
  for (auto& probe : probes) threads.emplace_back([&act, &probe] { act(*probe); });
}

std::vector<Target> targets_of(const Probes& probes, const Probe& from) {
  std::vector<Target> targets;
  for (const auto& other : probes) {
    if (other.get() == &from || !other->report.facts) continue;
    for (const Address& one : other->report.facts->addresses)
      targets.push_back({other->report.name, other->report.facts->token, one.address, other->report.facts->port});
  }
  return targets;
}

}  // namespace

std::vector<HostReport> probe_hosts(const ProbeRequest& request) {
  Probes probes;
  for (const Host& host : request.hosts) probes.push_back(std::make_unique<Probe>(request, host));
  each_at_once(probes, [](Probe& probe) { probe.hear_facts(); });
  each_at_once(probes, [](Probe& probe) { probe.compare_clocks(); });
  if (request.links) each_at_once(probes, [&](Probe& probe) { probe.try_links(targets_of(probes, probe)); });
  std::vector<HostReport> reports;
  for (const auto& probe : probes) reports.push_back(probe->report);
  std::vector<std::jthread> farewells;  // of all at once
  for (auto& probe : probes) farewells.emplace_back([&probe] { probe.reset(); });
  return reports;
}

std::string shell_line(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    line += line.empty() ? "'" : " '";
    for (char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += "'";
  }
  return line;
}

}  // namespace palimpsest
