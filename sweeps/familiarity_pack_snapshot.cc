// A pack of familiarity runs in flight, to and from snapshots.

#include <cstring>
#include <sstream>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "sweeps/familiarity_pack.h"
#include "sweeps/familiarity_snapshot.h"

namespace palimpsest {
namespace {

constexpr const char* kOther = "other ";  // parts of the network that learns the other images

Snapshot others_of(const Snapshot& snapshot) {
  Snapshot out{snapshot.step, {}};
  for (const auto& [name, part] : snapshot.parts)
    if (name.starts_with(kOther)) out.parts.emplace(name.substr(std::strlen(kOther)), part);
  return out;
}

std::string place(bool fine, int set, std::size_t index, const std::string& metric) {
  return fmt::format("course {} {} {} {:09}", int{fine}, metric, set, index);
}

}  // namespace

Snapshot FamiliarityPack::snapshot(std::size_t run, std::int64_t step) {
  const auto r = static_cast<std::int64_t>(run);
  Snapshot out{step, {}};
  put_learned(out, training_, r);
  if (other_) {
    Snapshot others;
    put_learned(others, *other_, r);
    for (auto& [name, part] : others.parts) out.parts.emplace(kOther + name, std::move(part));
  }
  put(out, "losses", losses_of(run));
  for (const auto* course : {&coarse_, &fine_})
    for (const auto& [metric, by_set] : *course)
      for (const auto set : {kFamiliar, kNovel})
        for (std::size_t i = 0; i < by_set[set].size(); ++i) put(out, place(course == &fine_, set, i, metric), by_set[set][i][r]);
  return out;
}

void FamiliarityPack::go_on_from(const std::vector<Snapshot>& snapshots) {
  get_learned(snapshots, training_);
  if (other_) {
    std::vector<Snapshot> others;
    for (const auto& one : snapshots) others.push_back(others_of(one));
    get_learned(others, *other_);
  }
  for (std::size_t run = 0; run < snapshots.size(); ++run) get_into(snapshots[run], "losses", losses_of(run));
  for (const auto& [name, part] : snapshots.front().parts) {
    if (!name.starts_with("course ")) continue;
    std::vector<at::Tensor> runs;
    for (const auto& one : snapshots) runs.push_back(get(one, name));
    std::istringstream words(name);
    std::string word, metric;
    int fine = 0, set = 0;
    words >> word >> fine >> metric >> set;   // in order of their index within metric and set: places are padded with zeros
    auto& by_set = (fine ? fine_ : coarse_)[metric];
    by_set.resize(2);
    by_set[static_cast<std::size_t>(set)].push_back(at::stack(runs));
  }
}

}  // namespace palimpsest
