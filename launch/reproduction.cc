#include "launch/reproduction.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "launch/stop_signal.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

void check_same_run(const RunRecord& record, const Study& study, std::int64_t image_sets) {
  const RunSpec& spec = record.run.spec;
  if (study.method_version != record.method)
    throw InputError(fmt::format("run {} was made by version {} of the method of the study {}, this program has version {}. Take the program that made it "
                                 "(`palimpsest show` names its commit).", spec.id, record.method, study.name, study.method_version));
  const auto now = study.inspect(spec.settings, spec.image_set, image_sets).hashes;
  std::string changed;
  for (const auto& [name, hash] : spec.inputs)
    if (const auto found = now.find(name); found == now.end() || found->second != hash)
      changed += fmt::format("\n  {}: {} then, {} now", name, hash, found == now.end() ? "none" : found->second);
  if (!changed.empty())
    throw InputError(fmt::format("run {} read something else than what lies there now:{}\nPut back what it read; `palimpsest show` names the paths.", spec.id, changed));
}

std::vector<Measurement> sorted(std::vector<Measurement> measurements) {
  std::ranges::sort(measurements, {}, &Measurement::metric);
  return measurements;
}

ComparedMetric compare(const Measurement& then, const Measurement& now) {
  ComparedMetric compared{then.metric, std::max(then.values.size(), now.values.size()), 0, 0, then.axes == now.axes && then.values.size() == now.values.size()};
  if (!compared.same_axes) compared.differing = compared.numbers;
  for (std::size_t i = 0; compared.same_axes && i < then.values.size(); ++i) {
    if (std::bit_cast<std::uint32_t>(then.values[i]) == std::bit_cast<std::uint32_t>(now.values[i])) continue;
    ++compared.differing;
    const double difference = std::abs(static_cast<double>(then.values[i]) - static_cast<double>(now.values[i]));
    if (std::isfinite(difference)) compared.largest = std::max(compared.largest, difference);
  }
  return compared;
}

std::vector<ComparedMetric> compare(const std::vector<Measurement>& then, const std::vector<Measurement>& now) {
  std::set<std::string> names;
  for (const auto& all : {then, now})
    for (const Measurement& one : all) names.insert(one.metric);
  std::vector<ComparedMetric> compared;
  for (const std::string& name : names) {
    const auto a = std::ranges::find(then, name, &Measurement::metric), b = std::ranges::find(now, name, &Measurement::metric);
    if (a != then.end() && b != now.end()) compared.push_back(compare(*a, *b));
    else {
      const std::size_t numbers = (a != then.end() ? *a : *b).values.size();
      compared.push_back({name, numbers, numbers, 0, false});
    }
  }
  return compared;
}

// As a pack of one, which gives the same bits as in any other.
RunResult run_again(const RunRecord& record, const Study& study, std::int64_t image_sets) {
  RunSpec spec = record.run.spec;
  spec.image_sets = image_sets;
  RunResult result;
  result.id = spec.id;
  result.failure = "it ended without a result";
  try {
    study.run_pack({spec}, {[&](RunResult one) { result = std::move(one); }, [] { return stop_requested(); }, [](double) {}, false});
  } catch (const Interrupted&) {
    throw Interrupted("stopped by a signal before the run was through. Run the same command again.");
  } catch (const std::exception& error) {
    const std::string reason = error.what();
    result.failure = reason.substr(0, reason.find('\n'));
  }
  return result;
}

}  // namespace

bool Reproduction::same() const {
  return failure_then == failure_now && std::ranges::all_of(metrics, [](const ComparedMetric& one) { return one.differing == 0; });
}

Reproduction reproduce(const RunRecord& record, const Study& study, std::int64_t image_sets) {
  check_same_run(record, study, image_sets);
  const RunResult now = run_again(record, study, image_sets);
  return {record.run.state == RunState::kFailed ? record.run.reason : "", now.failure, compare(record.measurements, sorted(now.measurements))};
}

std::vector<std::string> differing_environment(const std::map<std::string, std::string>& then, const std::map<std::string, std::string>& now) {
  static const std::set<std::string> no_matter = {"command", "ranks", "memory"};
  std::set<std::string> names;
  for (const auto& facts : {then, now})
    for (const auto& [name, value] : facts) names.insert(name);
  std::vector<std::string> lines;
  for (const std::string& name : names) {
    const auto a = then.find(name), b = now.find(name);
    const std::string was = a == then.end() ? "not recorded" : a->second, is = b == now.end() ? "not known" : b->second;
    if (was != is && !no_matter.contains(name)) lines.push_back(fmt::format("{}: {} then, {} now", name, was, is));
  }
  return lines;
}

}  // namespace palimpsest
