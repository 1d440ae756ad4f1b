#include "launch/host_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "runtime/words.h"

namespace palimpsest {
namespace {

constexpr double kClockNote = 2, kClockStop = 60;  // seconds
constexpr std::size_t kShown = 4;                  // of things of one kind, so that a large cluster stays on one screen

using Reports = std::vector<HostReport>;

std::string some_of(std::vector<std::string> words, const char* between = ", ") {
  if (words.size() <= kShown) return joined(words, between);
  const std::string rest = fmt::format("and {} more", words.size() - kShown);
  words.resize(kShown);
  words.push_back(rest);
  return joined(words, between);
}

Finding reach(const Reports& reports, bool allocation) {
  std::vector<std::string> lost;
  for (const HostReport& one : reports)
    if (!one.facts) lost.push_back(one.name + ": " + one.trouble);
  if (lost.empty()) return {"hosts", Grade::kGood, fmt::format("{} answer", reports.size()), {}, {}};
  if (allocation) return {"hosts", Grade::kNote, some_of(lost, "; "), "what differs there shows when ranks start", "Try: srun --overlap -w HOST true"};
  return {"hosts", Grade::kStops, some_of(lost, "; "), "no rank can be started there",
          "Try: ssh HOST true. It must work without a password, and the program must be there under the same path; or "
          "take the host off the list"};
}

// Hosts for which `value` differs from the first host's.
std::vector<std::string> unlike_first(const Reports& reports,
                                      const std::function<std::string(const HostFacts&)>& value) {
  std::vector<std::string> unlike;
  const HostFacts* first = nullptr;
  for (const HostReport& one : reports) {
    if (!one.facts) continue;
    if (!first) first = &*one.facts;
    if (value(*one.facts) != value(*first)) unlike.push_back(one.name);
  }
  return unlike;
}

Finding program(const Reports& reports) {
  const auto versions = unlike_first(reports, [](const HostFacts& facts) { return facts.version; });
  const auto builds = unlike_first(reports, [](const HostFacts& facts) { return facts.program; });
  if (versions.empty() && builds.empty()) return {"program", Grade::kGood, "the same on all hosts", {}, {}};
  const auto& unlike = versions.empty() ? builds : versions;
  return {"program", Grade::kStops,
          fmt::format("{} {} another {} than the first host", some_of(unlike), unlike.size() == 1 ? "has" : "have",
                      versions.empty() ? "build" : "version"),
          "ranks would not understand each other, or compute other numbers",
          "Copy one build to all hosts, or use a folder that they share"};
}

// A host's clock against that of the first.
Finding clocks(const Reports& reports) {
  std::vector<std::string> off;
  double worst = 0;
  const HostReport* first = nullptr;
  for (const HostReport& one : reports) {
    if (!one.facts) continue;
    if (!first) first = &one;
    const double ahead = one.clock_ahead - first->clock_ahead,
                 sure = std::max(0.0, std::abs(ahead) - one.clock_doubt - first->clock_doubt);
    if (sure > kClockNote)
      off.push_back(fmt::format("{} is {:.0f} s {}", one.name, std::abs(ahead), ahead > 0 ? "ahead" : "behind"));
    worst = std::max(worst, sure);
  }
  if (off.empty()) return {"clocks", Grade::kGood, "they agree", {}, {}};
  return {"clocks", worst > kClockStop ? Grade::kStops : Grade::kNote, some_of(off),
          "times in the ledger and time limits would be wrong",
          "Start chrony or systemd-timesyncd there, or once: chronyc makestep"};
}

void add_inputs(const Reports& reports, std::vector<Finding>& findings) {
  std::set<std::string> files;
  for (const HostReport& one : reports)
    if (one.facts)
      for (const auto& [file, hash] : one.facts->inputs) files.insert(file);
  std::vector<std::string> wrong;
  for (const std::string& file : files) {
    const auto unlike = unlike_first(
        reports, [&](const HostFacts& facts) { return facts.inputs.contains(file) ? facts.inputs.at(file) : ""; });
    if (!unlike.empty()) wrong.push_back(fmt::format("{} is not the first host's on {}", file, some_of(unlike)));
  }
  if (!wrong.empty())
    findings.push_back({"inputs", Grade::kStops, some_of(wrong, "; "), "ranks would work on different things",
                        "Copy the files, or use a folder that the hosts share"});
  else if (!files.empty())
    findings.push_back({"inputs",
                        Grade::kGood,
                        fmt::format("{}, the same on all hosts", counted(files.size(), "file")),
                        {},
                        {}});
}

// The same trouble on several hosts is told once.
void add_images(const Reports& reports, std::vector<Finding>& findings) {
  std::map<std::string, std::vector<std::string>> hosts_of;
  for (const HostReport& one : reports)
    if (one.facts)
      for (const std::string& complaint : one.facts->images) hosts_of[complaint].push_back(one.name);
  if (hosts_of.empty()) return;
  std::vector<std::string> wrong;
  for (const auto& [complaint, hosts] : hosts_of)
    wrong.push_back(fmt::format("on {}: {}", some_of(hosts), complaint.substr(0, complaint.find_last_not_of(".\n") + 1)));
  const bool some_have_them = std::ranges::any_of(reports, [](const HostReport& one) { return one.facts && one.facts->images.empty(); });
  findings.push_back({"images", Grade::kStops, some_of(wrong, "; "), {}, some_have_them ? "Copy the images there, or use a folder that the hosts share" : ""});
}

Finding folder(const Reports& reports) {
  std::vector<std::string> blind;
  for (const HostReport& one : reports)
    if (one.facts && !one.facts->sees_folder) blind.push_back(one.name);
  if (blind.empty()) return {"folder", Grade::kGood, "all hosts see this one", {}, {}};
  return {"folder", Grade::kStops, "this folder is not shared with " + some_of(blind),
          "what is written here would not be seen there",
          "Work in a folder that the hosts share (nfs, a parallel file system)"};
}

// A network that at least two hosts have an address in.
struct Network {
  std::set<std::string> hosts;
  std::set<std::string> interfaces;
  std::vector<std::string> broken;  // "node1 to node2 at 172.17.0.1: another host answers there"
  bool joins(std::size_t count) const { return hosts.size() == count && broken.empty(); }
};

std::map<std::string, Network> networks_of(const Reports& reports) {
  std::map<std::string, Network> networks;
  std::map<std::pair<std::string, std::string>, std::string> network_of;  // (host, address)
  for (const HostReport& one : reports) {
    if (!one.facts) continue;
    for (const Address& address : one.facts->addresses) {
      networks[address.network].hosts.insert(one.name);
      networks[address.network].interfaces.insert(address.interface);
      network_of[{one.name, address.address}] = address.network;
    }
  }
  for (const HostReport& one : reports)
    for (const Link& link : one.links) {
      Network& network = networks[network_of[{link.to, link.address}]];
      if (!link.outcome.empty() && network.hosts.contains(one.name))
        network.broken.push_back(fmt::format("{} to {} at {}: {}", one.name, link.to, link.address, link.outcome));
    }
  std::erase_if(networks, [](const auto& one) { return one.second.hosts.size() < 2; });
  return networks;
}

// Pairs of hosts that no address joins.
std::vector<std::string> parted(const Reports& reports) {
  std::map<std::pair<std::string, std::string>, std::string> why;  // why not, "" where one works
  for (const HostReport& one : reports)
    for (const Link& link : one.links) {
      auto [at, first] = why.try_emplace({one.name, link.to},
                                         link.outcome.empty() ? "" : fmt::format("{} {}", link.address, link.outcome));
      if (!first && link.outcome.empty()) at->second.clear();
    }
  std::vector<std::string> pairs;
  for (const auto& [pair, reason] : why)
    if (!reason.empty()) pairs.push_back(fmt::format("{} to {} ({})", pair.first, pair.second, reason));
  return pairs;
}

Finding network(const Reports& reports, std::string& keep_to) {
  if (const auto pairs = parted(reports); !pairs.empty())
    return {"network", Grade::kStops, fmt::format("no way from {}", some_of(pairs, "; ")),
            "MPI uses any free port between each two hosts",
            "A firewall stands between them (open all TCP ports among these hosts), or they share no network"};
  const auto networks = networks_of(reports);
  const auto hosts = static_cast<std::size_t>(
      std::ranges::count_if(reports, [](const HostReport& one) { return one.facts.has_value(); }));
  std::vector<std::string> misleading;
  for (const auto& [name, one] : networks) {
    if (one.joins(hosts) && keep_to.empty()) keep_to = name;
    if (!one.broken.empty())
      misleading.push_back(fmt::format("{} ({}) does not join them: {}", name,
                                       some_of({one.interfaces.begin(), one.interfaces.end()}), one.broken.front()));
  }
  if (misleading.empty() || keep_to.empty()) {
    keep_to.clear();
    return {"network", Grade::kGood, "each two hosts can connect, on any port", {}, {}};
  }
  return {"network",
          Grade::kNote,
          some_of(misleading, "; "),
          fmt::format("MPI would hang on it, so it is told to keep to {}", keep_to),
          {}};
}

}  // namespace

Finding check_cores(const std::vector<Host>& hosts, const std::vector<int>& cores, int ranks) {
  std::vector<std::string> crowded;
  int left = ranks;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const int here = std::min(left, hosts[i].slots);
    left -= here;
    if (cores[i] > 0 && here > cores[i]) crowded.push_back(fmt::format("{} has {} for {}", hosts[i].name, counted(cores[i], "core"), counted(here, "rank")));
  }
  if (crowded.empty()) return {"cores", Grade::kGood, "one for each rank", {}, {}};
  return {"cores", Grade::kStops, some_of(crowded), "more ranks than cores slow each other down",
          "Write as many slots as it has cores, or --oversubscribe to have them all the same"};
}

HostCheck check_hosts(const Reports& reports, bool allocation) {
  HostCheck check;
  check.findings = {reach(reports, allocation)};
  if (std::ranges::none_of(reports, [](const HostReport& one) { return one.facts.has_value(); })) return check;
  check.findings.insert(check.findings.end(), {program(reports), folder(reports)});
  add_inputs(reports, check.findings);
  add_images(reports, check.findings);
  check.findings.push_back(clocks(reports));
  check.findings.push_back(network(reports, check.network));
  return check;
}

}  // namespace palimpsest
