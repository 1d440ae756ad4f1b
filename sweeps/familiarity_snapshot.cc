#include "sweeps/familiarity_snapshot.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "runtime/error.h"

namespace palimpsest {
namespace {

// Every tensor [R, ...] that is the runs' own, by name. What trains lies in a rule as well, as the same memory.
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

}  // namespace

void put_rule(Snapshot& snapshot, const std::string& name, const LearningRule& rule, std::int64_t run) {
  for (const auto& [part, of_all] : rule.state()) put(snapshot, name + "." + part, of_all[run]);
}

void get_rule(const std::vector<Snapshot>& runs, const std::string& name, LearningRule& rule) {
  RuleState state;
  for (const auto& [part, ignored] : runs.front().parts) {
    if (!part.starts_with(name + ".")) continue;
    std::vector<at::Tensor> of_runs;
    for (const auto& run : runs) of_runs.push_back(get(run, part));
    state[part.substr(name.size() + 1)] = at::stack(of_runs);
  }
  rule.go_on_from(state);
}

void put_learned(Snapshot& snapshot, FamiliarityTraining& training, std::int64_t run) {
  for_each_own(training.network(), [&](const std::string& name, const at::Tensor& own) { put(snapshot, name, own.detach()[run]); });
  put_rule(snapshot, "rule.fast", training.fast_rule(), run);
  put_rule(snapshot, "rule.rest", training.rest_rule(), run);
}

void get_learned(const std::vector<Snapshot>& runs, FamiliarityTraining& training) {
  for (std::size_t run = 0; run < runs.size(); ++run)
    for_each_own(training.network(), [&](const std::string& name, const at::Tensor& own) {
      get_into(runs[run], name, own.detach()[static_cast<std::int64_t>(run)]);
    });
  get_rule(runs, "rule.fast", training.fast_rule());
  get_rule(runs, "rule.rest", training.rest_rule());
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
