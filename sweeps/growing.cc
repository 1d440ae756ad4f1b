#include "sweeps/growing.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "sweeps/condition.h"
#include "sweeps/verdict.h"

namespace palimpsest {
namespace {

bool narrow(const ClaimResult& claim, double width) {
  return std::all_of(claim.parts.begin(), claim.parts.end(),
                     [&](const PartResult& part) { return part.interval.high - part.interval.low < width; });
}

bool open(const ClaimResult& claim, const Replication& replication) {
  return claim.verdict == Verdict::kUndecided && !narrow(claim, replication.width);
}

bool compares(const Claim& claim, const Settings& settings) {
  return std::any_of(claim.parts.begin(), claim.parts.end(), [&](const ClaimPart& part) {
    return holds(settings, part.treatment) || (!part.baseline.empty() && holds(settings, part.baseline));
  });
}

class Growing {
 public:
  Growing(const Plan& plan, Rows rows)
      : plan_(plan), replication_(*plan.definition().replication), rows_(std::move(rows)) {
    rows_.replication = replication_;
    known_.swap(rows_.runs);
    for (std::size_t i = 0; i < known_.size(); ++i) places_[known_[i].spec.id] = i;
  }

  Growth replay() {
    ask(0, replication_.min, plan_.definition().claims);
    while (all_through()) {
      const auto claims = open_claims();
      const std::int64_t so_far = growth_.units;
      growth_.ended = claims.empty() || so_far >= replication_.max ||
                      !ask(so_far, std::min(so_far + replication_.batch, replication_.max), claims);
      if (growth_.ended) break;
    }
    std::sort(growth_.asked.begin(), growth_.asked.end());
    return std::move(growth_);
  }

 private:
  std::int64_t unit_of(std::int64_t number) const {
    const std::int64_t replicates = plan_.definition().seeds, sets = plan_.definition().image_sets;
    return rows_.unit == "seed" ? number % replicates : number / replicates % sets;
  }

  /// The runs of units [from, to) that these claims compare; of the first units, all. False where there are none.
  bool ask(std::int64_t from, std::int64_t to, const std::vector<Claim>& claims) {
    const std::size_t before = growth_.asked.size();
    for (std::int64_t number = 0; number < plan_.size(); ++number) {
      const std::int64_t unit = unit_of(number);
      if (unit < from || unit >= to) continue;
      const RunSpec run = maker_.run_at(number);
      if (from > 0 && !needed(run.settings, claims)) continue;
      growth_.asked.push_back(number);
      take(run.id);
    }
    growth_.units = to;
    return growth_.asked.size() > before;
  }

  static bool needed(const Settings& settings, const std::vector<Claim>& claims) {
    return std::any_of(claims.begin(), claims.end(), [&](const Claim& claim) { return compares(claim, settings); });
  }

  void take(const RunId& id) {
    const auto place = places_.find(id);
    if (place == places_.end()) {
      complete_ = false;
    } else {
      rows_.runs.push_back(known_[place->second]);
      complete_ &= known_[place->second].state != RunState::kWaiting;
    }
  }
  bool all_through() const { return complete_; }

  std::vector<Claim> open_claims() {
    std::vector<Claim> out;
    growth_.open.clear();
    for (const ClaimResult& claim : judge(rows_)) {
      if (claim.withdrawn || !open(claim, replication_)) continue;   // a withdrawn one counts in the correction and asks for nothing
      out.push_back(claim.claim);
      growth_.open.push_back(claim.claim.name);
    }
    return out;
  }

  const Plan& plan_;
  RunMaker maker_{plan_};
  const Replication replication_;
  Rows rows_;                                        // those asked for, as far as there are any
  std::vector<LedgerRun> known_;
  std::unordered_map<RunId, std::size_t> places_;    // in known_
  bool complete_ = true;
  Growth growth_;
};

}  // namespace

Growth grown(const Plan& plan, Rows rows) { return Growing(plan, std::move(rows)).replay(); }

}  // namespace palimpsest
