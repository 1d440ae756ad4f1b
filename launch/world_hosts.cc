#include "launch/world_hosts.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "launch/host_check.h"
#include "launch/host_probe.h"
#include "launch/process_identity.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/host_cores.h"
#include "runtime/host_name.h"
#include "runtime/words.h"

namespace palimpsest {
namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// What is asked for, or what mpirun would take.
std::vector<std::string> shell_for(const LaunchRequest& request) {
  if (!request.shell.empty()) return words_of(request.shell);
  for (const char* name : {"PALIMPSEST_SSH", "OMPI_MCA_plm_rsh_agent", "PRTE_MCA_plm_ssh_agent"})
    if (const char* given = std::getenv(name)) return words_of(given);
  return {"ssh"};
}

// GPUs that LibTorch can use: ranks would find no others.
int gpus_here(const LaunchRequest& request) {
  std::string why_none;
  return request.gpus.empty() || gpus_of_host() == 0 ? 0 : gpu_count(why_none);
}

// Cores that a container shares are counted by time, and two hardware threads of a core may both be wanted.
int slots_here(const LaunchRequest& request) {
  if (request.ranks) return std::max(host_cores().usable(), host_cores().allowed);
  const int gpus = gpus_here(request), slots = ranks_of_host(request, "this host", host_cores().usable(), gpus);
  if (gpus > 0) fmt::print(stderr, "palimpsest: {}.\n", ranks_by_gpus(request, gpus));
  return slots;
}

}  // namespace

WorldHosts::WorldHosts(const LaunchRequest& request, const std::filesystem::path& program,
                       const std::string& shared_file)
    : request_(request),
      program_(program),
      in_file_(request.hosts),
      shared_file_(shared_file),
      shell_(shell_for(request)) {
  if (!in_file_.empty())
    hosts_ = read_hostfile(in_file_);
  else
    hosts_ = hosts_of_allocation(), allocation_ = !hosts_.empty();
  if (hosts_.empty()) hosts_ = {{"localhost", slots_here(request)}};
  if (allocation_ && !request.ranks && !std::getenv("SLURM_NTASKS")) count_gpus_of_allocation();
  const bool alone = std::ranges::all_of(hosts_, is_this_host);
  // Within an allocation Slurm started us, so its hosts are there; and ssh may not be let in.
  if ((!alone && !allocation_ && !request.no_check) || (request.check && !allocation_)) {
    const auto reports = probe(/*links=*/true);
    const HostCheck check = check_hosts(reports);
    findings_ = check.findings;
    network_ = check.network;
    for (std::size_t i = 0; i < hosts_.size(); ++i)
      if (hosts_[i].slots == 0 && reports[i].facts) hosts_[i].slots = ranks_of(hosts_[i], *reports[i].facts);
  }
  if (!request.network.empty()) network_ = request.network;
  complete_slots();
}

int WorldHosts::ranks_of(const Host& host, const HostFacts& facts) const {
  return ranks_of_host(request_, host.name, facts.cores, is_this_host(host) ? gpus_here(request_) : facts.devices);
}

// Its hosts came with their cores; the nodes of one allocation are taken to have as many GPUs as this.
void WorldHosts::count_gpus_of_allocation() {
  for (Host& host : hosts_)
    if (host.slots > 0) host.slots = ranks_of_host(request_, host.name, host.slots, gpus_here(request_));
}

void WorldHosts::complete_slots() {
  for (Host& host : hosts_)
    if (host.slots == 0) host.slots = ranks_of_host(request_, host.name, host_cores().usable(), gpus_here(request_));
}

std::vector<HostReport> WorldHosts::probe(bool links) const {
  HostQuestions questions{.inputs = {}, .images = {}, .folder_token = shared_file_};
  if (links) {
    questions.inputs = inputs_of(request_.command);
    for (const ImagePlace& place : request_.images)
      if (can_be_asked_about(place)) questions.images.push_back(encode(place));
  }
  return probe_hosts({hosts_, shell_, program_, std::move(questions), links});
}

void WorldHosts::look_for_lost() {
  if (hosts_.size() < 2 || allocation_) return;
  std::vector<std::string> silent;
  for (const HostReport& report : probe(/*links=*/false))
    if (!report.facts) silent.push_back(report.name);
  losses_.count(silent);
  if (!silent.empty())
    fmt::print(stderr, "palimpsest: {} {} not answer; going on without.\n", joined(silent),
               silent.size() == 1 ? "does" : "do");
  if (const auto banned = losses_.banned(); !banned.empty())
    fmt::print(stderr, "palimpsest: {} {} lost {} times and {} left out for good.\n", joined(banned),
               banned.size() == 1 ? "was" : "were", HostLosses::kBan, banned.size() == 1 ? "is" : "are");
}

}  // namespace palimpsest
