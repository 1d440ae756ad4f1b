#include "sweeps/verdict_table.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <nlohmann/json.hpp>

#include "sweeps/claim_card.h"
#include "sweeps/claim_words.h"
#include "sweeps/condition.h"

namespace palimpsest {
namespace {

using nlohmann::json;
using Line = std::array<std::string, 5>;  // verdict, claim or part, effect, units, p

std::size_t width(const std::string& text) {  // characters, not bytes
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t columns) {
  return text + std::string(columns - std::min(columns, width(text)), ' ');
}

/// Green, red, blue and grey: never alone, the word stands beside them.
std::string coloured(const std::string& text, Verdict verdict, bool colour) {
  static const std::array kColours = {"\033[32m", "\033[31m", "\033[34m", "\033[90m"};
  return colour ? kColours[static_cast<std::size_t>(verdict)] + text + "\033[0m" : text;
}

std::string effect(const PartResult& part) {
  return part.units.empty() ? "\u2013" : number_words(part.effect) + " " + interval_words(part.interval);
}

Line line_of(const ClaimResult& claim, const PartResult& part) {
  return {verdict_icon(part.verdict), "  " + part_words(claim, part), effect(part), std::to_string(part.units.size()),
          p_words(part)};
}

std::string marks(const ClaimResult& claim) {
  return std::string(claim.provisional ? " (so far)" : "") + (claim.exploratory ? " (exploratory)" : "") + (claim.withdrawn ? " (withdrawn after results)" : "");
}

std::vector<Line> lines_of(const ClaimResult& claim) {
  const std::string verdict = verdict_icon(claim.verdict) + " " + word(claim.verdict),
                    name = claim.claim.name + marks(claim);
  if (claim.parts.size() == 1) {
    const PartResult& part = claim.parts[0];
    return {{verdict, name, effect(part), std::to_string(part.units.size()), p_words(claim)}};
  }
  std::vector<Line> lines = {
      {verdict, name, std::to_string(claim.parts.size()) + " parts", "", p_words(claim)}};
  for (const PartResult& part : claim.parts) lines.push_back(line_of(claim, part));
  return lines;
}

json number(double value) { return std::isfinite(value) ? json(value) : json(); }
json interval(const Interval& interval) { return {number(interval.low), number(interval.high)}; }

json conditions(const Condition& condition) {
  json out = json::object();
  for (const auto& [key, value] : condition) out[key] = plain(value);
  return out;
}

json part_json(const PartResult& part) {
  json units = json::array();
  for (const auto& [unit, value] : part.units) units.push_back({unit, number(value)});
  return {{"statistic", statistic_words(part.part)},
          {"at", place_words(part.part)},
          {"treatment", conditions(part.part.treatment)},
          {"baseline", conditions(part.part.baseline)},
          {"each", conditions(part.each)},
          {"verdict", word(part.verdict)},
          {"effect", number(part.effect)},
          {"interval", interval(part.interval)},
          {"smallest_effect", part.part.smallest_effect},
          {"g", number(part.g)},
          {"p", part.p},
          {"p_adjusted", part.p_adjusted},
          {"p_equivalence", part.p_equivalence},
          {"p_equivalence_adjusted", part.p_equivalence_adjusted},
          {"units", units},
          {"failed_runs", part.failed_runs},
          {"missing_runs", part.missing_runs},
          {"unpaired_runs", part.unpaired_runs},
          {"left_out_units", part.left_out_units},
          {"worst_case", interval(part.worst_case)}};
}

}  // namespace

std::string verdict_table(const std::vector<ClaimResult>& claims, const std::string& unit, bool colour) {
  const Line head = {"verdict", "claim", "effect [95 % interval]", plain_key(unit) + "s", "adjusted p"};
  std::array<std::size_t, 5> columns{};
  const auto measure = [&](const Line& line) {
    for (std::size_t c = 0; c < line.size(); ++c) columns[c] = std::max(columns[c], width(line[c]));
  };
  const auto row = [&](const Line& line, Verdict verdict, bool plain_text) {
    std::string out = plain_text ? padded(line[0], columns[0]) : coloured(padded(line[0], columns[0]), verdict, colour);
    for (std::size_t c = 1; c < line.size(); ++c) out += "  " + padded(line[c], columns[c]);
    return out.substr(0, out.find_last_not_of(' ') + 1) + "\n";
  };
  measure(head);
  for (const ClaimResult& claim : claims)
    for (const Line& line : lines_of(claim)) measure(line);
  std::string out = row(head, Verdict::kUndecided, true);
  for (const ClaimResult& claim : claims) {
    const auto lines = lines_of(claim);
    for (std::size_t i = 0; i < lines.size(); ++i)
      out += row(lines[i], i == 0 ? claim.verdict : claim.parts[i - 1].verdict, false);
    out += std::string(columns[0] + 2, ' ') + claim.why + "\n";
  }
  return out;
}

json verdicts_json(const std::vector<ClaimResult>& claims) {
  json out = json::array();
  for (const ClaimResult& claim : claims) {
    json parts = json::array();
    for (const PartResult& part : claim.parts) parts.push_back(part_json(part));
    out.push_back({{"claim", claim.claim.name},
                   {"verdict", word(claim.verdict)},
                   {"exploratory", claim.exploratory},
                   {"withdrawn", claim.withdrawn},
                   {"provisional", claim.provisional},
                   {"p", claim.p},
                   {"p_adjusted", claim.p_adjusted},
                   {"why", claim.why},
                   {"parts", parts}});
  }
  return out;
}

}  // namespace palimpsest
