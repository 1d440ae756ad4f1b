#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sweeps/pack_notes.h"
#include "sweeps/plan.h"
#include "sweeps/run_set.h"

namespace palimpsest {

/// Waiting runs of one signature.
struct RunGroup {
  std::string signature;
  std::int64_t size = 0;
  std::int64_t first = 0;            // the first of them
};

/// Runs that wait, by signature, none of them laid out. Where there are more cells than can be asked one by one, it is found out which axes change the
/// signature, and cells that agree on these are taken to share it; what is handed out is looked at again (PackCutter).
class WaitingRuns {
 public:
  WaitingRuns(const Plan&, RunSet waiting);                        // the plan must outlive it
  const Plan& plan() const { return *plan_; }
  const RunSet& runs() const { return runs_; }
  const std::vector<RunGroup>& groups() const { return groups_; }  // in the order in which their signatures are first met
  bool exact() const { return exact_; }                            // every cell was asked
  const std::vector<std::size_t>& axes() const { return axes_; }   // of the product: those that change the signature
  /// Each combination of places on these axes at which runs wait: its group, and a cell of the product there.
  std::vector<std::pair<std::size_t, std::int64_t>> combinations() const;

  /// Where a walk through the runs of a group is.
  struct Walk {
    std::size_t group = 0;
    std::size_t range = 0;
    std::int64_t place = -1;                                       // -1: at the beginning of the range
  };
  /// The next runs of the walk's group, at most `most`; fewer where no more are left.
  std::vector<std::int64_t> next(Walk&, std::int64_t most) const;

 private:
  struct Stretch {                                                 // runs that follow each other and share a signature
    std::int64_t combination = 0, runs = 0;
  };
  Stretch stretch_at(std::int64_t place, const RunSet::Range&) const;
  void find_axes();
  bool changes_signature(std::size_t axis) const;
  void find_groups();

  const Plan* plan_;
  RunSet runs_;
  bool exact_ = true;
  std::vector<std::size_t> axes_;                                  // that change the signature
  std::int64_t block_ = 1;                                         // cells that follow each other and agree on all of these
  std::vector<std::int32_t> group_of_;                             // by combination of their places; -1: no run waits there
  std::vector<RunGroup> groups_;
};

/// Cuts waiting runs into packs when they are asked for: equal signature, in order of their numbers, at most `pack_size(signature)` each and, where
/// runs are few, small enough that every one of `workers` has a pack. Packs of a signature differ by at most one run, and their number is a multiple
/// of the workers where that makes them smaller only: so no worker waits for the last pack of another.
class PackCutter {
 public:
  /// The packs of a group of waiting runs.
  struct Share {
    RunGroup group;
    std::int64_t packs = 1;
    std::int64_t largest() const { return (group.size + packs - 1) / packs; }
    std::int64_t smallest() const { return group.size / packs; }
  };
  struct Cut {
    std::vector<std::int64_t> runs;
    std::string signature;
  };

  PackCutter(WaitingRuns, const std::map<std::string, std::int64_t>& pack_size, int workers);
  std::optional<Cut> next();                                       // nothing: none is left
  const std::vector<Share>& shares() const { return shares_; }
  std::int64_t packs() const;                                      // there were at the beginning
  std::int64_t largest() const;

 private:
  void even_out(int workers);
  Cut cut(Share&);
  void set_odd_aside(Cut&);

  WaitingRuns waiting_;
  std::vector<Share> shares_;
  WaitingRuns::Walk walk_;
  std::int64_t pack_ = 0;                                          // the next of its group
  std::vector<Cut> odd_;                                           // runs that turned out to be of another signature: each by itself, last
};

/// All of the packs at once.
std::vector<std::vector<std::int64_t>> cut_packs(const WaitingRuns&, const std::map<std::string, std::int64_t>& pack_size, int workers);

/// Bytes a run of each signature among the waiting runs needs, by the study's memory probe, which is asked once per signature.
std::map<std::string, std::uint64_t> memory_of_runs(const WaitingRuns&);

/// The largest pack of each signature: as many runs as fit into `memory` bytes of a worker, at most `largest`, never less than 1.
std::map<std::string, std::int64_t> sizes_within(std::uint64_t memory, const std::map<std::string, std::uint64_t>& memory_of_runs,
                                                 std::int64_t largest = 16);

/// The same for the waiting runs of a plan, or what the definition says under [packs]: then nothing is probed.
std::map<std::string, std::int64_t> pack_sizes(const WaitingRuns&, std::uint64_t memory, std::int64_t largest = 16);

/// Measures how fast packs of each signature are, up to its size in `sizes`, within `seconds` in all, and notes it. What is noted already is not
/// measured again; nothing is where that leaves a signature too little time.
void measure_packs(const WaitingRuns&, const std::map<std::string, std::int64_t>& sizes, double seconds, PackNotes&);

/// Seconds that are worth spending on that: a small share of what it will all take.
double seconds_to_measure(const WaitingRuns&, int workers);

/// Sizes cut down to what memory was found to hold and, where `fastest`, to the smallest that is about as fast as any.
std::map<std::string, std::int64_t> within_notes(std::map<std::string, std::int64_t> sizes, const PackNotes&, bool fastest);

/// Seconds one worker would need for all of them, by the arithmetic a run takes; of very many cells, those of some are taken for all.
double seconds_of_work(const Plan&, const RunSet&);

/// Bytes that one of `workers_on_host` workers may give to its pack, of what is free here now.
std::uint64_t memory_of_worker(int workers_on_host);

}  // namespace palimpsest
