#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/progress.h"
#include "runtime/words.h"
#include "sweeps/condition.h"
#include "sweeps/outline.h"

namespace palimpsest {
namespace {

constexpr std::size_t kWidestValues = 60;   // of an axis; the middle of a longer one is left out
constexpr std::int64_t kEnds = 3;           // runs shown at the beginning and at the end

struct Row {
  std::string name, values;
  std::int64_t count;
};

std::string values_text(const std::vector<Value>& values) {
  std::string all;
  for (const Value& value : values) all += (all.empty() ? "" : ", ") + plain(value);
  if (all.size() <= kWidestValues) return all;
  return fmt::format("{} ... {}", plain(values.front()), plain(values.back()));
}

/// "fast.rank, training.learning_rate together"
std::string keys_text(const Bundle& bundle) {
  std::string all;
  for (const SweepAxis& axis : bundle.axes) all += (all.empty() ? "" : ", ") + axis.key;
  all = bundle.kind == "ablation" ? "base, then " + all + " changed" : all + (bundle.axes.size() > 1 ? " together" : "");
  return all + (bundle.twice ? fmt::format(" ({} left out, there already)", counted(bundle.twice, "point")) : "");
}

std::string range_text(std::int64_t count) { return count == 1 ? "0" : fmt::format("0 to {}", count - 1); }

std::vector<Row> rows_of(const Plan& plan) {
  const Definition& definition = plan.definition();
  std::vector<Row> rows;
  for (const SweepAxis& axis : definition.grid) rows.push_back({axis.key, values_text(axis.values), static_cast<std::int64_t>(axis.values.size())});
  for (const Bundle& bundle : definition.bundles) rows.push_back({bundle.kind, keys_text(bundle), static_cast<std::int64_t>(bundle.points.size())});
  rows.push_back({"image set", range_text(definition.image_sets), definition.image_sets});
  rows.push_back({"seed", range_text(definition.seeds), definition.seeds});
  return rows;
}

std::string axes_text(const Plan& plan) {
  const std::vector<Row> rows = rows_of(plan);
  std::size_t names = 4, values = 0;
  for (const Row& row : rows) names = std::max(names, row.name.size()), values = std::max(values, row.values.size());
  std::string out = "axes\n";
  for (const Row& row : rows) out += fmt::format("  {:<{}}  {:<{}}  {:>8}\n", row.name, names, row.values, values, row.count);
  if (plan.dropped() > 0) out += fmt::format("  {:<{}}  {:<{}}  {:>8}\n", "left out", names, "excluded, or the same runs again", values, -plan.dropped());
  return out + fmt::format("  {:<{}}  {:<{}}  {:>8}\n", "runs", names, "", values, plan.size());
}

std::string run_text(const Plan& plan, std::int64_t number) {
  const RunSpec run = plan.run_at(number);
  std::string condition;
  for (const std::string& key : swept_keys(plan.definition())) condition += fmt::format("{} = {}, ", key, plain(run.settings.at(key)));
  return fmt::format("  {:>8}  {}  {}image set {}, seed {}\n", number, run.id.substr(0, 8), condition, run.image_set, run.seed);
}

std::string runs_text(const Plan& plan) {
  std::string out = "runs\n";
  const bool all = plan.size() <= 2 * kEnds + 1;
  for (std::int64_t i = 0; i < (all ? plan.size() : kEnds); ++i) out += run_text(plan, i);
  if (all) return out;
  out += "       ...\n";
  for (std::int64_t i = plan.size() - kEnds; i < plan.size(); ++i) out += run_text(plan, i);
  return out;
}

std::string bytes_text(std::uint64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} bytes", bytes);
  if (bytes < 10'000'000) return fmt::format("{:.0f} kB", static_cast<double>(bytes) / 1e3);
  if (bytes < 10'000'000'000) return fmt::format("{:.0f} MB", static_cast<double>(bytes) / 1e6);
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

// Of the largest: runs of a pack are in memory together.
std::uint64_t bytes_of(const PackOutline& pack) { return pack.bytes_per_run * static_cast<std::uint64_t>(pack.largest); }

// "  runs an hour in packs of 1: 120, 2: 210"
std::string speeds_text(const std::vector<PackSpeed>& speeds) {
  std::string all;
  for (const PackSpeed& speed : speeds) all += fmt::format("{}{}: {:.0f}", all.empty() ? "" : ", ", speed.size, speed.runs_per_hour);
  return all.empty() ? "" : "    runs an hour on one worker, in packs of " + all + "\n";
}

// ": fast.qkv = adapter; fast.rank = 2, 8"
std::string differs_text(const PackOutline& pack) {
  std::string all;
  for (const auto& [key, values] : pack.differs) all += fmt::format("{}{} = {}", all.empty() ? ": " : "; ", key, values_text(values));
  return all;
}

std::string packs_text(const Plan& plan, const Outline& outline) {
  std::string out = fmt::format("packs for {} ({})\n", counted(outline.workers, "worker"),
                                plan.definition().pack_size == 0 ? "sized by memory, and by speed where it was measured" : fmt::format("[packs] size = {}", plan.definition().pack_size));
  for (const PackOutline& pack : outline.packs) {
    const std::string size = pack.smallest == pack.largest ? counted(pack.largest, "run") : fmt::format("{} to {} runs", pack.smallest, pack.largest);
    out += fmt::format("  {} of {}, {} a run, {} a pack{}\n", counted(pack.packs, "pack"), size, bytes_text(pack.bytes_per_run), bytes_text(bytes_of(pack)), differs_text(pack));
    out += speeds_text(pack.speeds);
  }
  return out;
}

std::string progressed_text(const Plan& plan, const Progressed& progressed, std::int64_t waiting) {
  std::string out = fmt::format("done\n  {} of {} in {}", progressed.done, counted(plan.size(), "run"), progressed.folder);
  if (progressed.failed) out += fmt::format("; {} failed (sweep --retry-failed runs them again)", progressed.failed);
  if (progressed.quarantined) out += fmt::format("; {} of them in quarantine (--retry-quarantined)", progressed.quarantined);
  out += waiting ? fmt::format("; {} to run\n", waiting) : "; nothing to run\n";
  if (progressed.is_new && progressed.is_new < plan.size()) out += fmt::format("  {} new since the definition was edited\n", counted(progressed.is_new, "run"));
  if (progressed.not_asked) out += fmt::format("  {} of an earlier definition: kept, and left out of the report\n", counted(progressed.not_asked, "run"));
  return out;
}

std::string time_text(const Outline& outline) {
  const std::string duration = outline.seconds < 1 ? "less than a second" : "about " + duration_text(outline.seconds);
  return fmt::format("time\n  {} on {}: an estimate from {}\n", duration, counted(outline.workers, "worker"),
                     outline.from == Outline::From::kLedger   ? "the runs that are done"
                     : outline.from == Outline::From::kSpeeds ? "packs that were measured"
                                                              : fmt::format("the arithmetic of a run, at {:.0f} GFLOP/s a worker", kWorkPerSecond / 1e9));
}

std::string cost_text(const Outline& outline, const Definition& definition) {
  return fmt::format("cost\n  about {:.2f} {}: {} at {:g} an hour each\n", outline.cost, definition.currency, counted(outline.workers, "worker"), definition.device_hour);
}


std::string claims_text(const Definition& definition) {
  std::string out = "claims\n";
  for (const Claim& claim : definition.claims) {
    out += "  " + claim.name;
    if (claim.parts.size() > 1) out += fmt::format(" ({} parts)", claim.parts.size());
    for (const std::string& key : claim.each) out += ", at each " + key;
    out += "\n";
  }
  return out;
}

struct ToJson {
  nlohmann::json operator()(const auto& value) const { return value; }
};
nlohmann::json to_json(const Value& value) { return std::visit(ToJson{}, value); }

// [[1, 120.5], [2, 210.0]]
nlohmann::json speeds_json(const std::vector<PackSpeed>& speeds) {
  auto all = nlohmann::json::array();
  for (const PackSpeed& speed : speeds) all.push_back({speed.size, speed.runs_per_hour});
  return all;
}

nlohmann::json run_json(const Plan& plan, std::int64_t number) {
  const RunSpec run = plan.run_at(number);
  nlohmann::json condition = nlohmann::json::object();
  for (const auto& [key, value] : plan.condition_of(number)) condition[key] = to_json(value);
  return {{"number", number}, {"id", run.id}, {"condition", condition}, {"image_set", run.image_set}, {"seed", run.seed}};
}

}  // namespace

std::string outline_text(const Plan& plan, const Outline& outline) {
  const Definition& definition = plan.definition();
  std::string out = fmt::format("{}: a sweep of the study {}\n\n", definition.name, definition.study->name);
  out += axes_text(plan) + "\n" + runs_text(plan) + "\n";
  if (outline.progressed) out += progressed_text(plan, *outline.progressed, outline.waiting) + "\n";
  if (outline.waiting) out += packs_text(plan, outline) + "\n" + time_text(outline);
  if (outline.waiting && outline.cost > 0) out += "\n" + cost_text(outline, definition);
  if (!definition.claims.empty()) out += "\n" + claims_text(definition);
  for (const std::string& warning : outline.warnings) out += "\nwarning: " + warning;
  return out + (outline.warnings.empty() ? "" : "\n");
}

nlohmann::json outline_json(const Plan& plan, const Outline& outline) {
  const Definition& definition = plan.definition();
  nlohmann::json out = {{"name", definition.name}, {"study", definition.study->name}, {"runs", plan.size()}, {"image_sets", definition.image_sets},
                        {"seeds", definition.seeds}, {"to_run", outline.waiting}, {"workers", outline.workers}, {"seconds", outline.seconds},
                        {"seconds_from", outline.from == Outline::From::kLedger ? "ledger" : outline.from == Outline::From::kSpeeds ? "packs" : "arithmetic"}, {"warnings", outline.warnings}};
  out["axes"] = nlohmann::json::array();
  for (const std::string& key : swept_keys(definition)) {
    nlohmann::json values = nlohmann::json::array();
    for (const Value& value : axis_of(definition, key)->values) values.push_back(to_json(value));
    out["axes"].push_back({{"key", key}, {"values", values}});
  }
  out["left_out"] = plan.dropped();
  std::int64_t twice = 0;
  for (const Bundle& bundle : definition.bundles) twice += bundle.twice;
  out["points_twice"] = twice;
  out["first"] = run_json(plan, 0);
  out["last"] = run_json(plan, plan.size() - 1);
  out["packs"] = nlohmann::json::array();
  for (const PackOutline& pack : outline.packs)
    out["packs"].push_back({{"signature", pack.signature}, {"runs", pack.runs}, {"packs", pack.packs}, {"smallest", pack.smallest},
                            {"largest", pack.largest}, {"bytes_per_run", pack.bytes_per_run}, {"bytes_per_pack", bytes_of(pack)}, {"runs_per_hour", speeds_json(pack.speeds)}});
  out["claims"] = nlohmann::json::array();
  for (const Claim& claim : definition.claims) out["claims"].push_back({{"name", claim.name}, {"hash", claim.hash}, {"parts", claim.parts.size()}});
  if (outline.progressed)
    out["results"] = {{"folder", outline.progressed->folder}, {"done", outline.progressed->done}, {"failed", outline.progressed->failed}, {"quarantined", outline.progressed->quarantined},
                      {"not_asked", outline.progressed->not_asked}, {"new", outline.progressed->is_new}};
  out["cost"] = outline.cost > 0 ? nlohmann::json{{"amount", outline.cost}, {"currency", definition.currency}} : nlohmann::json();
  return out;
}

}  // namespace palimpsest
