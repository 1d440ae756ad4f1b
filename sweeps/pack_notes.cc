#include "sweeps/pack_notes.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"

namespace palimpsest {
namespace {

constexpr double kAsFast = 0.95;
constexpr int kFormat = 2;

PackNote note_of(const nlohmann::json& in) {
  PackNote note{in.value("most", std::int64_t{0}), {}};
  for (const auto& speed : in.value("speeds", nlohmann::json::array())) note.speeds.push_back({speed.at(0).get<std::int64_t>(), speed.at(1).get<double>()});
  return note;
}

PackNotes notes_of(const nlohmann::json& in) {
  PackNotes notes;
  for (const auto& [signature, note] : in.items()) notes[signature] = note_of(note);
  return notes;
}

using NotesByMachine = std::map<std::string, PackNotes>;

NotesByMachine all_notes(const std::filesystem::path& results) {
  if (!std::filesystem::exists(results / "packs.json")) return {};
  try {
    const auto all = nlohmann::json::parse(read_file(results / "packs.json"));
    if (all.at("format") != kFormat) return {};
    NotesByMachine notes;
    for (const auto& [with, signatures] : all.at("with").items()) notes[with] = notes_of(signatures);
    return notes;
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

nlohmann::ordered_json json_of(const PackNotes& notes) {
  auto out = nlohmann::ordered_json::object();
  for (const auto& [signature, note] : notes) {
    auto speeds = nlohmann::ordered_json::array();
    for (const PackSpeed& speed : note.speeds) speeds.push_back({speed.size, speed.runs_per_hour});
    out[signature] = {{"most", note.most}, {"speeds", speeds}};
  }
  return out;
}

}  // namespace

PackNotes read_pack_notes(const std::filesystem::path& results, const std::string& with) {
  NotesByMachine all = all_notes(results);
  return std::move(all[with]);
}

void write_pack_notes(const std::filesystem::path& results, const std::string& with, const PackNotes& notes) {
  NotesByMachine all = all_notes(results);
  all[with] = notes;
  nlohmann::ordered_json out = {{"format", kFormat}, {"with", nlohmann::ordered_json::object()}};
  for (const auto& [machine, known] : all) out["with"][machine] = json_of(known);
  write_durably(results / "packs.json", out.dump(1) + "\n");
}

std::int64_t fastest_size(const std::vector<PackSpeed>& speeds) {
  if (speeds.empty()) return 0;
  const double best = std::ranges::max(speeds, {}, &PackSpeed::runs_per_hour).runs_per_hour;
  return std::ranges::find_if(speeds, [&](const PackSpeed& speed) { return speed.runs_per_hour >= kAsFast * best; })->size;
}

}  // namespace palimpsest
