#pragma once

#include <mutex>
#include <vector>

#include "runtime/parameter_row.h"
#include "runtime/sharding.h"

namespace palimpsest {

/// Catches gradients as they appear in the backward, lays each unit's into one row, and has it summed over the ranks
/// while the backward goes on. A step is one or several backwards (parts of the batch): begin(last), backward,
/// finish(); then wait(), and each share's sum lies in share().
///
/// none, optimizer: the row stays, and is summed after the last backward has filled it. gradients, full: it is reduced
/// after each backward and let go; what arrives is added to the share. Several copies of a parameter are added in their
/// order, as ranks are, so that threads give the bits of ranks.
class ShardedGradients {
 public:
  ShardedGradients(const std::vector<ShardingUnit>&, ShardGroups&, CommunicationThread&, Strategy);
  ~ShardedGradients();  // the parameters go on without hooks
  ShardedGradients(const ShardedGradients&) = delete;
  ShardedGradients& operator=(const ShardedGradients&) = delete;

  void begin(bool last);
  /// Of a unit whose gradients appear in several pieces (a recomputed block): says when the copy's are there. Others
  /// are counted.
  void announce(std::size_t unit, bool in_pieces);
  void complete(std::size_t unit);  // one copy's
  void finish();
  void wait();

  at::Tensor& share(std::size_t unit) {
    return units_[unit].share;
  }  // [part_size] float32, the sum over all ranks; undefined where there is none
  bool has_gradient(std::size_t unit, std::size_t parameter) const {
    return units_[unit].ever[parameter];
  }  // in this step
  /// Sum of squares of each of this rank's shares, in double precision, where they are; undefined where there is none.
  at::Tensor squares() const;
  void scale(double factor);
  void scale(const at::Tensor& factor);  // where the shares are
  void clear();  // after the step

 private:
  struct Unit {
    std::string name;
    ParameterRow layout;
    std::vector<std::vector<at::Tensor>> copies;
    at::Tensor row, share;
    at::Tensor sum;                    // of one backward, on its way into the share
    std::vector<bool> filled, ever;    // parameters with a gradient in the row; in this step
    std::vector<std::size_t> arrived;  // by copy: parameters in this backward
    std::size_t completed = 0;         // copies
    bool in_pieces = false;
    bool reduced = false;  // in this backward
    Pending going;
  };
  struct Hook;
  void arrived(int copy, std::size_t unit, std::size_t parameter);
  void fold(Unit&, std::size_t parameter);
  void reduce(Unit&);
  void reduce_kept_row(Unit&);
  void reduce_row_and_let_go(Unit&);
  void take_in();
  bool keeps_rows() const { return strategy_ == Strategy::kNone || strategy_ == Strategy::kOptimizer; }

  ShardGroups& groups_;
  CommunicationThread& thread_;
  const Strategy strategy_;
  std::mutex mutex_;         // copies are threads
  std::vector<Unit> units_;  // protected by mutex_ during a backward
  bool last_ = true;
  Unit* on_its_way_ = nullptr;  // the newest whose row was let go of
};

}  // namespace palimpsest
