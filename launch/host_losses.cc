#include "launch/host_losses.h"

#include <algorithm>

namespace palimpsest {

void HostLosses::count(const std::vector<std::string>& silent) {
  silent_ = silent;
  for (const std::string& host : silent) ++losses_[host];
}

std::vector<Host> HostLosses::left_of(const std::vector<Host>& all) const {
  std::vector<Host> left;
  for (const Host& host : all) {
    const auto losses = losses_.find(host.name);
    const bool out =
        std::ranges::find(silent_, host.name) != silent_.end() || (losses != losses_.end() && losses->second >= kBan);
    if (!out) left.push_back(host);
  }
  return left;
}

std::vector<std::string> HostLosses::banned() const {
  std::vector<std::string> names;
  for (const auto& [host, losses] : losses_)
    if (losses >= kBan) names.push_back(host);
  return names;
}

std::chrono::seconds back_off(int restart) { return std::chrono::seconds(std::min(60, 1 << std::min(restart - 1, 6))); }

}  // namespace palimpsest
