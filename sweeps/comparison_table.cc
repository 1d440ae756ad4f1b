#include "sweeps/comparison_table.h"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "sweeps/claim_words.h"

namespace palimpsest {
namespace {

std::string side_text(const SweepChange& side) {
  std::string levels;
  for (const double change : side.by_level) levels += (levels.empty() ? "" : ", ") + number_words(change);
  return fmt::format("    {}: {} {} from epoch {} to {} over {} units; by level {}; slope {} {}\n", side.name,
                     number_words(side.effect), interval_words(side.interval), side.from, side.to, side.units.size(),
                     levels, number_words(side.slope), interval_words(side.slope_interval));
}

std::string statistic_text(const ComparedStatistic& s) {
  std::string out = fmt::format("{:<10} {}, {}", s.problem.empty() ? word(s.direction) : "none", s.metric, s.images);
  if (!s.problem.empty()) return out + ": " + s.problem + "\n";
  if (std::isfinite(s.ratio)) out += fmt::format("; {} times as large", number_words(s.ratio));
  if (s.rank_correlation)
    out += fmt::format("; rank correlation over {} noise levels {} {}", s.levels.size(),
                       number_words(*s.rank_correlation), interval_words(s.rank_interval));
  out += fmt::format("; slopes {}\n", s.slopes_agree ? "agree" : "differ");
  return out + side_text(s.a) + side_text(s.b);
}

nlohmann::json number_or_null(double value) { return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(); }

nlohmann::json interval_json(const Interval& interval) {
  return {number_or_null(interval.low), number_or_null(interval.high)};
}

nlohmann::json side_json(const SweepChange& side) {
  return {{"sweep", side.name},
          {"epochs", {side.from, side.to}},
          {"units", side.units.size()},
          {"by_level", side.by_level},
          {"effect", number_or_null(side.effect)},
          {"interval", interval_json(side.interval)},
          {"slope", number_or_null(side.slope)},
          {"slope_interval", interval_json(side.slope_interval)}};
}

}  // namespace

std::string comparison_text(const std::vector<ComparedStatistic>& all) {
  std::string out = "log(last / first) over training, mean over noise levels, with 95 % intervals over units\n\n";
  for (const auto& s : all) out += statistic_text(s);
  return out;
}

nlohmann::json comparison_json(const std::vector<ComparedStatistic>& all) {
  auto out = nlohmann::json::array();
  for (const auto& s : all) {
    nlohmann::json one = {{"metric", s.metric}, {"images", s.images}};
    if (s.problem.empty())
      one.update({{"levels", s.levels},
                  {"direction", word(s.direction)},
                  {"ratio", number_or_null(s.ratio)},
                  {"rank_correlation", s.rank_correlation ? number_or_null(*s.rank_correlation) : nlohmann::json()},
                  {"rank_interval", interval_json(s.rank_interval)},
                  {"slopes_agree", s.slopes_agree},
                  {"a", side_json(s.a)},
                  {"b", side_json(s.b)}});
    else
      one["problem"] = s.problem;
    out.push_back(one);
  }
  return out;
}

Table comparison_table(const std::vector<ComparedStatistic>& all) {
  Table out({"metric", "images", "direction", "ratio", "rank_correlation", "rank_low", "rank_high", "slopes_agree",
             "sweep", "from", "to", "units", "noise", "effect", "low", "high", "slope"});
  for (const auto& s : all)
    for (const auto* side : {&s.a, &s.b})
      for (std::size_t level = 0; level <= side->by_level.size(); ++level) {
        const bool mean = level == side->by_level.size();
        if (mean && side->by_level.empty()) continue;
        const double nan = std::nan("");
        out.add({s.metric, s.images, word(s.direction), s.ratio, s.rank_correlation.value_or(nan), s.rank_interval.low,
                 s.rank_interval.high, std::string(s.slopes_agree ? "yes" : "no"), side->name, side->from, side->to,
                 static_cast<std::int64_t>(side->units.size()),
                 mean ? Cell(std::string("mean")) : Cell(s.levels[level]), mean ? side->effect : side->by_level[level],
                 mean ? side->interval.low : nan, mean ? side->interval.high : nan, mean ? side->slope : nan});
      }
  return out;
}

}  // namespace palimpsest
