#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "launch/finding.h"
#include "launch/host_facts.h"
#include "launch/host_losses.h"
#include "launch/launch_request.h"

namespace palimpsest {

/// The hosts a world runs on, over its restarts.
class WorldHosts {
 public:
  /// Several hosts are looked at (unless asked not to): throws InputError with what would stop a run, tells what else
  /// is worth it.
  WorldHosts(const LaunchRequest&, const std::filesystem::path& program, const std::string& shared_file);

  bool several() const { return hosts_.size() > 1 || !in_file_.empty(); }
  bool allocation() const { return allocation_; }
  const std::string& network() const { return network_; }
  const std::vector<std::string>& shell() const { return shell_; }
  const std::vector<Finding>& findings() const { return findings_; }
  std::vector<Host> usable() const { return losses_.left_of(hosts_); }
  bool lost_some() const { return usable().size() < hosts_.size(); }
  /// After a world was lost: asks who is still there, and says who is left out; how many more those are than before.
  std::size_t look_for_lost();

 private:
  int ranks_of(const Host&, const HostFacts&) const;
  void count_gpus_of_allocation();
  void complete_slots();
  bool can_be_asked();
  void look_at_hosts();
  void look_at_cores(const std::vector<Host>& written);
  std::vector<HostReport> probe(const std::vector<Host>&, bool links) const;

  const LaunchRequest& request_;
  const std::filesystem::path program_, in_file_;
  const std::string shared_file_;
  std::vector<std::string> shell_;
  bool allocation_ = false;
  std::vector<Host> hosts_;
  std::vector<std::string> answered_;   // those that did when they were looked at
  std::vector<int> cores_;   // of each; 0: not known
  std::string network_;
  std::vector<Finding> findings_;
  HostLosses losses_;
};

}  // namespace palimpsest
