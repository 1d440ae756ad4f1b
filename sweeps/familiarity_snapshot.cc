#include "sweeps/familiarity_snapshot.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "runtime/error.h"

namespace palimpsest {
namespace {

// Every tensor [R, ...] that is the runs' own, by name. What trains lies in the slots of a rule as well, as the same memory.
void for_each_own(const FastNetwork& network, const std::function<void(const std::string&, const at::Tensor&)>& visit) {
  for (const auto* weights : {&network.encoder_weights, &network.decoder_weights})
    for (const auto& [name, parameter] : *weights)
      if (parameter.own) visit((weights == &network.encoder_weights ? "encoder." : "decoder.") + name, parameter.value);
  for (const auto& map : network.maps) {
    const auto& fast = *network.encoder.adapter(map.layer, map.target);
    const auto name = fmt::format("fast.{}.{}.", map.layer, map.target);
    if (fast.a.defined()) visit(name + "a", fast.a);
    if (fast.b.defined()) visit(name + "b", fast.b);
    if (fast.gain.defined()) visit(name + "gain", fast.gain);
  }
}

std::string moment(const std::string& rule, std::size_t slot, int which) { return fmt::format("{}.{}.moment.{}", rule, slot, which); }

void put_rule(Snapshot& snapshot, const std::string& name, LearningRule& rule, std::int64_t run) {
  if (!rule.slots()) return;
  put(snapshot, name + ".steps", at::full({}, rule.steps(), at::kLong));
  for (std::size_t i = 0; i < rule.slots()->size(); ++i) {
    const auto& slot = (*rule.slots())[i];
    if (!slot.first.defined()) continue;   // no gradient has reached it
    put(snapshot, moment(name, i, 1), slot.first[run]);
    put(snapshot, moment(name, i, 2), slot.second[run]);
  }
}

void get_rule(const Snapshot& snapshot, const std::string& name, LearningRule& rule, std::int64_t run) {
  if (!rule.slots()) return;
  rule.set_steps(get(snapshot, name + ".steps").item<std::int64_t>());
  for (std::size_t i = 0; i < rule.slots()->size(); ++i) {
    auto& slot = (*rule.slots())[i];
    if (!snapshot.parts.contains(moment(name, i, 1))) continue;
    if (!slot.first.defined()) {
      slot.first = at::zeros_like(slot.value.detach(), at::MemoryFormat::Contiguous);
      slot.second = at::zeros_like(slot.first);
    }
    get_into(snapshot, moment(name, i, 1), slot.first[run]);
    get_into(snapshot, moment(name, i, 2), slot.second[run]);
  }
}

}  // namespace

void put_learned(Snapshot& snapshot, FamiliarityTraining& training, std::int64_t run) {
  for_each_own(training.network(), [&](const std::string& name, const at::Tensor& own) { put(snapshot, name, own.detach()[run]); });
  put_rule(snapshot, "rule.fast", training.fast_rule(), run);
  put_rule(snapshot, "rule.rest", training.rest_rule(), run);
}

void get_learned(const Snapshot& snapshot, FamiliarityTraining& training, std::int64_t run) {
  for_each_own(training.network(), [&](const std::string& name, const at::Tensor& own) { get_into(snapshot, name, own.detach()[run]); });
  get_rule(snapshot, "rule.fast", training.fast_rule(), run);
  get_rule(snapshot, "rule.rest", training.rest_rule(), run);
}

void StopBetweenBlocks::leave_if_asked() const {
  if (should_stop_()) throw Interrupted("stopped within a step; it is made again");
}

at::Tensor StopBetweenBlocks::run(const BlockId&, const at::Tensor& x, const BlockFunction& block) {
  leave_if_asked();
  const auto y = block(x);
  if (y.requires_grad()) y.register_hook([this](const at::Tensor&) { leave_if_asked(); });
  return y;
}

}  // namespace palimpsest
