#include "launch/world_hosts.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "launch/host_check.h"
#include "launch/host_probe.h"
#include "launch/process_identity.h"
#include "launch/slurm_nodes.h"
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

constexpr std::size_t kAskedByThemselves = 64;   // nodes of an allocation, without --check

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
  if (allocation_ && request.shell.empty()) shell_ = slurm_shell();
  const std::vector<Host> written = hosts_;
  const bool alone = std::ranges::all_of(hosts_, is_this_host);
  if (request.check || (!alone && !request.no_check)) look_at_hosts();
  complete_slots();
  if (!in_file_.empty() && !request.no_check && !request.oversubscribe) look_at_cores(written);
  if (!request.network.empty()) network_ = request.network;
}

// Of a large allocation Slurm answers for its nodes, unless somebody wants to know: each question is a step of the job.
bool WorldHosts::can_be_asked() {
  if (!allocation_) return true;
  const bool at_hand = slurm_can_be_asked(), few = hosts_.size() <= kAskedByThemselves || request_.check;
  if (!at_hand || !few)
    findings_.push_back({"hosts", Grade::kNote, at_hand ? fmt::format("the {} nodes of this allocation were not asked", hosts_.size()) : "the nodes of this allocation were not asked: there is no srun here",
                         "what differs between them shows when ranks start", at_hand ? "launch --check asks them all" : ""});
  return at_hand && few;
}

void WorldHosts::look_at_hosts() {
  if (!can_be_asked()) return;
  const auto reports = probe(hosts_, /*links=*/true);
  const HostCheck check = check_hosts(reports, allocation_);
  findings_ = check.findings;
  network_ = check.network;
  cores_.resize(hosts_.size());
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    if (!reports[i].facts) continue;
    answered_.push_back(hosts_[i].name);
    cores_[i] = std::max(reports[i].facts->cores, reports[i].facts->threads);
    if (hosts_[i].slots == 0) hosts_[i].slots = ranks_of(hosts_[i], *reports[i].facts);
  }
}

// `written`: the hosts with the slots that somebody gave them; others got as many as they have cores, or as there is room on their GPUs.
void WorldHosts::look_at_cores(const std::vector<Host>& written) {
  cores_.resize(hosts_.size());
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    if (is_this_host(hosts_[i])) cores_[i] = std::max(host_cores().usable(), host_cores().allowed);
    if (written[i].slots == 0) cores_[i] = 0;
  }
  findings_.push_back(check_cores(hosts_, cores_, request_.ranks.value_or(slots_of(hosts_))));
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

std::vector<HostReport> WorldHosts::probe(const std::vector<Host>& hosts, bool links) const {
  HostQuestions questions{.inputs = {}, .images = {}, .folder_token = shared_file_};
  if (links) {
    questions.inputs = inputs_of(request_.command);
    for (const ImagePlace& place : request_.images)
      if (can_be_asked_about(place)) questions.images.push_back(encode(place));
  }
  return probe_hosts({hosts, shell_, program_, std::move(questions), links});
}

std::size_t WorldHosts::look_for_lost() {
  if (hosts_.size() < 2 || (allocation_ && !slurm_can_be_asked())) return 0;
  const auto out = allocation_ ? out_of_service(hosts_) : std::vector<std::string>{};
  // A node of an allocation that could not be asked in the beginning is Slurm's to judge.
  std::vector<Host> asked = hosts_;
  const auto in = [](const Host& host, const std::vector<std::string>& names) { return std::ranges::find(names, host.name) != names.end(); };
  std::erase_if(asked, [&](const Host& host) { return in(host, out) || (allocation_ && !in(host, answered_)); });
  std::vector<std::string> silent;
  for (const HostReport& report : probe(asked, /*links=*/false))
    if (!report.facts) silent.push_back(report.name);
  if (!out.empty()) fmt::print(stderr, "palimpsest: Slurm has taken {} out of service; going on without.\n", joined(out));
  if (!silent.empty())
    fmt::print(stderr, "palimpsest: {} {} not answer; going on without.\n", joined(silent),
               silent.size() == 1 ? "does" : "do");
  silent.insert(silent.end(), out.begin(), out.end());
  const std::size_t before = usable().size();
  losses_.count(silent);
  if (const auto banned = losses_.banned(); !banned.empty())
    fmt::print(stderr, "palimpsest: {} {} lost {} times and {} left out for good.\n", joined(banned),
               banned.size() == 1 ? "was" : "were", HostLosses::kBan, banned.size() == 1 ? "is" : "are");
  const std::size_t left = usable().size();
  return before > left ? before - left : 0;
}

}  // namespace palimpsest
