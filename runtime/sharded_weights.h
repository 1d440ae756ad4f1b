#pragma once

#include "runtime/parameter_row.h"
#include "runtime/sharding.h"

namespace palimpsest {

/// Where the weights of each unit are: this rank's share in float32, and the row of all of them, in the type that is
/// computed in, that the model's tensors look into. In float32 the share lies within the row, where the row is kept.
class ShardedWeights {
 public:
  /// Takes the values that the first copies have to `device`; the copies look there from then on. `compute`: float32 or
  /// bfloat16. `keep`: rows stay; else they are gathered for use.
  ShardedWeights(const std::vector<ShardingUnit>&, ShardGroups&, CommunicationThread&, at::ScalarType compute, bool keep,
                 at::Device device = at::kCPU);

  std::size_t count() const { return units_.size(); }
  const ParameterRow& layout(std::size_t unit) const { return units_[unit].layout; }
  at::Tensor& share(std::size_t unit) { return units_[unit].share; }  // [part_size] float32
  bool keeps_rows() const { return keep_; }

  void fetch(std::size_t unit);   // begins to gather the row where it is not there; returns at once
  void want(std::size_t unit);    // waits until the row is there and the model's tensors look into it
  void let_go(std::size_t unit);  // the row is not needed for now; where rows are kept, it stays
  void let_go_all();
  void spread();  // after the shares have changed: every rank's rows follow
  /// All of one unit's row in float32, wherever its shares are; every rank calls it.
  at::Tensor whole(std::size_t unit);

 private:
  struct Unit {
    std::string name;
    ParameterRow layout;
    std::vector<std::vector<at::Tensor>> copies;
    at::Tensor share, row;  // row: undefined while let go
    Pending coming;
    bool in_place = false;  // the model's tensors look into the row
  };
  void gather(Unit&);
  void look_into_row(Unit&);

  ShardGroups& groups_;
  CommunicationThread& thread_;
  const at::ScalarType compute_;
  const bool keep_;
  std::vector<Unit> units_;
};

}  // namespace palimpsest
