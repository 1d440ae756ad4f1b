#include "sweeps/circuit_axes.h"

#include "sweeps/axis_labels.h"
#include "sweeps/circuit_metrics.h"

namespace palimpsest {
namespace {

std::vector<std::string> but_the_first(std::vector<std::string> all) { return {all.begin() + 1, all.end()}; }

bool is_change(const std::string& metric) {
  return metric.ends_with("_change") || metric.starts_with("tuning.") || metric == "sparseness.lifetime_histogram" ||
         metric == "expansion.angle";
}

bool compares_with_clean(const std::string& metric) {
  return metric.starts_with("manifold.") || metric.starts_with("input.") || metric == "linear.increment" || metric == "expansion.angle";
}

std::vector<std::string> indices() {
  std::vector<std::string> out;
  for (std::int64_t bin = 0; bin < kIndexBins; ++bin) out.push_back(index_label(bin));
  return out;
}

std::vector<std::string> times(const CircuitStudyConfig& config) {
  std::vector<double> out;
  const auto samples = config.steps(config.test_ms) / config.steps(config.sample_ms);
  for (std::int64_t i = 1; i <= samples; ++i) out.push_back(config.sample_ms * static_cast<double>(i));
  return number_labels(out);
}

std::vector<std::string> labels_of(const std::string& axis, const std::string& metric, const CircuitStudyConfig& config) {
  if (axis == "images") return {"familiar", "novel"};
  if (axis == "epoch") return is_change(metric) ? but_the_first(number_labels(config.schedule)) : number_labels(config.schedule);
  if (axis == "noise")
    return compares_with_clean(metric) ? but_the_first(number_labels(config.input.levels)) : number_labels(config.input.levels);
  if (axis == "mode") return counted_labels(1, config.modes);
  if (axis == "rank") return counted_labels(1, rank_bins(config.circuit.neurons()));
  return axis == "index" ? indices() : times(config);
}

}  // namespace

std::vector<Axis> circuit_axes(const MetricInfo& metric, const CircuitStudyConfig& config) {
  std::vector<Axis> out;
  for (const auto& axis : metric.axes) out.push_back({axis, labels_of(axis, metric.name, config)});
  return out;
}

std::vector<DeclaredMetric> declare_circuit(const Settings& settings) {
  const auto config = parse_circuit(settings);
  std::vector<DeclaredMetric> out;
  for (const auto& metric : circuit_metric_list()) {
    std::string absent;
    if (metric.name == "tuning.held_out" && config.input.patterns < 2) absent = "noise.patterns is below 2: there is no half to hold out";
    if (metric.name.starts_with("linear.") && config.modes == 0) absent = "analysis.modes is 0";
    out.push_back({metric.name, circuit_axes(metric, config), absent});
  }
  return out;
}

}  // namespace palimpsest
