#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "launch/host_list.h"

namespace palimpsest {

/// Hosts that were lost, over the restarts of a world: one that does not answer is left out until it does, one that was
/// lost three times for good.
class HostLosses {
 public:
  static constexpr int kBan = 3;
  /// The world ended; these did not answer then.
  void count(const std::vector<std::string>& silent);
  /// Hosts to start on now.
  std::vector<Host> left_of(const std::vector<Host>& all) const;
  std::vector<std::string> banned() const;

 private:
  std::map<std::string, int> losses_;
  std::vector<std::string> silent_;
};

/// How long to wait before restart number `restart` (1, 2, ...): a second, doubled each time, up to a minute.
std::chrono::seconds back_off(int restart);

}  // namespace palimpsest
