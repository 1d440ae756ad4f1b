#include "sweeps/run_values.h"

#include <map>
#include <set>

#include "runtime/error.h"
#include "sweeps/part_reader.h"
#include "sweeps/verdict.h"

namespace palimpsest {
namespace {

/// Reads all parts of one metric.
class MetricReader {
 public:
  MetricReader(const Rows& rows, const std::vector<ClaimPart>& parts, const std::vector<std::size_t>& members,
               std::vector<PartValues>& out)
      : rows_(rows), out_(out) {
    for (std::size_t i : members) readers_.push_back({i, PartReader(parts[i]), true});
  }

  void read(const LedgerRun& run, const Measurement& measurement) {
    const Selection chosen = chosen_places(rows_.axis_keys, run.spec.settings, measurement.axes);
    if (!prepared_ || axes_ != measurement.axes || chosen != chosen_) prepare(measurement.axes, chosen);
    for (const One& one : readers_)
      if (one.sound) out_[one.part].values[run.spec.id] = one.read(measurement);
  }

 private:
  struct One {
    std::size_t part;
    PartReader read;
    bool sound;
  };

  void prepare(const std::vector<Axis>& axes, const Selection& chosen) {
    axes_ = axes, chosen_ = chosen, prepared_ = true;
    for (One& one : readers_) try {
        one.read.prepare(axes, chosen);
        one.sound = true;
      } catch (const InputError& error) {
        out_[one.part].problem = error.what();
        one.sound = false;
      }
  }

  const Rows& rows_;
  std::vector<PartValues>& out_;
  std::vector<One> readers_;
  std::vector<Axis> axes_;
  Selection chosen_;
  bool prepared_ = false;
};

}  // namespace

std::vector<PartValues> read_values(const Rows& rows, const std::vector<ClaimPart>& parts) {
  std::unordered_map<RunId, const LedgerRun*> runs;
  for (const LedgerRun& run : rows.runs) runs[run.spec.id] = &run;
  std::map<std::string, std::vector<std::size_t>> by_metric;
  for (std::size_t i = 0; i < parts.size(); ++i) by_metric[parts[i].metric].push_back(i);

  std::vector<PartValues> out(parts.size());
  std::map<std::string, MetricReader> readers;
  std::set<std::string> metrics;
  for (const auto& [metric, members] : by_metric) {
    readers.try_emplace(metric, rows, parts, members, out);
    metrics.insert(metric);
  }
  rows.for_each_measurement(metrics, [&](const RunId& id, const Measurement& measurement) {
    if (const auto run = runs.find(id); run != runs.end()) readers.at(measurement.metric).read(*run->second, measurement);
  });
  return out;
}

}  // namespace palimpsest
