#pragma once

#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/slow_weights.h"
#include "sweeps/circuit.h"
#include "sweeps/familiarity.h"

namespace palimpsest {

/// Slow weights of a very small encoder, drawn at random: 32 x 32 pixels in patches of 8, width 32, depth 2.
inline void write_small_slow_weights(const std::filesystem::path& file, std::uint64_t seed = 5) {
  const VitConfig config{.width = 32, .depth = 2, .heads = 2, .mlp_width = 64, .patch = 8, .side = 32};
  write_slow_weights(file, {.config = config, .encoder = initial_vit(config, RandomStream(seed)), .decoder_config = {}, .decoder = {}, .metadata = {}});
}

/// A run of the familiarity study on them that takes less than a second.
inline Settings small_familiarity(const std::filesystem::path& slow_weights) {
  auto s = default_settings(familiarity_study().keys);
  s.set("slow.weights", slow_weights.string());
  s.set("images.source", std::string("dead-leaves"));
  s.set("images.total", std::int64_t{16});
  s.set("images.count", std::int64_t{2});
  s.set("alignment.reference", std::int64_t{8});
  s.set("training.epochs", std::int64_t{4});
  s.set("training.learning_rate", 1e-3);
  s.set("noise.levels", std::vector<double>{0, 0.3});
  s.set("noise.patterns", std::int64_t{2});
  s.set("noise.side", std::int64_t{32});
  return s;
}

inline Settings small_circuit() {
  auto s = default_settings(kCircuitStudy.keys);
  s.set("images.total", std::int64_t{16});
  s.set("images.side", std::int64_t{32});
  s.set("images.count", std::int64_t{2});
  s.set("plasticity.theta_count", std::int64_t{2});
  s.set("input.side", std::int64_t{20});
  s.set("filters.orientations", std::int64_t{2});
  s.set("filters.frequencies", std::vector<double>{0.8});
  s.set("noise.patterns", std::int64_t{2});
  s.set("noise.levels", std::vector<double>{0, 0.3, 0.5});
  s.set("training.epochs", std::int64_t{2});
  s.set("training.half_ms", 60.0);
  s.set("plasticity.tau_w", 1e8);
  s.set("test.ms", 60.0);
  return s;
}

/// What the runs of a pack report, undisturbed.
inline std::map<RunId, RunResult> results_of(const Study& study, const std::vector<RunSpec>& pack) {
  std::map<RunId, RunResult> results;
  PackContext context;
  context.report = [&](RunResult result) { results[result.id] = std::move(result); };
  context.should_stop = [] { return false; };
  context.progress = [](double) {};
  study.run_pack(pack, context);
  return results;
}

inline const Measurement& metric(const RunResult& result, const std::string& name) {
  for (const auto& m : result.measurements)
    if (m.metric == name) return m;
  throw std::logic_error("no metric " + name);
}

}  // namespace palimpsest
