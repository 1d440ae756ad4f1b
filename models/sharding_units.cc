#include "models/sharding_units.h"

#include <fmt/format.h>

#include <algorithm>

namespace palimpsest {
namespace {

// "encoder.layers.3.mlp.fc1.weight" with the prefix "encoder.layers." -> 3; -1: not of a block.
std::int64_t layer_of(const std::string& name, const std::string& prefix) {
  return name.starts_with(prefix) ? std::stoll(name.substr(prefix.size())) : -1;
}

class UnitsOf {
 public:
  UnitsOf(std::string network, std::string prefix) : network_(std::move(network)), prefix_(std::move(prefix)) {
    units_.push_back({network_, false, {}, {}});
  }

  void add(const std::string& name, std::vector<at::Tensor> copies) {
    ShardingUnit& unit = units_[static_cast<std::size_t>(place_of(name))];
    unit.names.push_back(network_ + "." + name);
    unit.copies.resize(copies.size());
    for (std::size_t copy = 0; copy < copies.size(); ++copy) unit.copies[copy].push_back(copies[copy]);
  }
  void move_to(std::vector<ShardingUnit>& all) {
    for (ShardingUnit& unit : units_)
      if (!unit.names.empty()) all.push_back(std::move(unit));
  }

 private:
  std::int64_t place_of(const std::string& name) {  // what is around the blocks lies before them
    const std::int64_t place = layer_of(name, prefix_) + 1;
    while (std::ssize(units_) <= place)
      units_.push_back({fmt::format("{}.{}", network_, units_.size() - 1), true, {}, {}});
    return place;
  }

  std::string network_, prefix_;
  std::vector<ShardingUnit> units_;
};

}  // namespace

std::vector<ShardingUnit> sharding_units(const std::vector<SlowWeights*>& copies) {
  std::vector<ShardingUnit> units;
  const auto add = [&](const std::string& network, const std::string& prefix, Parameters SlowWeights::*part) {
    UnitsOf of(network, prefix);
    for (auto& [name, parameter] : copies[0]->*part) {
      std::vector<at::Tensor> tensors;
      for (SlowWeights* copy : copies) tensors.push_back((copy->*part).at(name).value.set_requires_grad(true));
      of.add(name, std::move(tensors));
    }
    of.move_to(units);
  };
  add("encoder", "encoder.layers.", &SlowWeights::encoder);
  add("decoder", "blocks.", &SlowWeights::decoder);
  add("head", "no blocks.", &SlowWeights::head);
  return units;
}

}  // namespace palimpsest
