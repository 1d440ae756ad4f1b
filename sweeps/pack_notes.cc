#include "sweeps/pack_notes.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"

namespace palimpsest {
namespace {

constexpr double kAsFast = 0.95;

PackNote note_of(const nlohmann::json& in) {
  PackNote note{in.value("most", std::int64_t{0}), {}};
  for (const auto& speed : in.value("speeds", nlohmann::json::array())) note.speeds.push_back({speed.at(0).get<std::int64_t>(), speed.at(1).get<double>()});
  return note;
}

}  // namespace

PackNotes read_pack_notes(const std::filesystem::path& results) {
  if (!std::filesystem::exists(results / "packs.json")) return {};
  try {
    const auto all = nlohmann::json::parse(read_file(results / "packs.json"));
    if (all.at("format") != 1) return {};
    PackNotes notes;
    for (const auto& [signature, note] : all.at("signatures").items()) notes[signature] = note_of(note);
    return notes;
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

void write_pack_notes(const std::filesystem::path& results, const PackNotes& notes) {
  nlohmann::ordered_json all = {{"format", 1}, {"signatures", nlohmann::ordered_json::object()}};
  for (const auto& [signature, note] : notes) {
    auto speeds = nlohmann::ordered_json::array();
    for (const PackSpeed& speed : note.speeds) speeds.push_back({speed.size, speed.runs_per_hour});
    all["signatures"][signature] = {{"most", note.most}, {"speeds", speeds}};
  }
  write_durably(results / "packs.json", all.dump(1) + "\n");
}

std::int64_t fastest_size(const std::vector<PackSpeed>& speeds) {
  if (speeds.empty()) return 0;
  const double best = std::ranges::max(speeds, {}, &PackSpeed::runs_per_hour).runs_per_hour;
  return std::ranges::find_if(speeds, [&](const PackSpeed& speed) { return speed.runs_per_hour >= kAsFast * best; })->size;
}

}  // namespace palimpsest
