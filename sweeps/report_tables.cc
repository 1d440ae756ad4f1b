#include "sweeps/report_tables.h"

#include <set>

#include "sweeps/cells.h"
#include "sweeps/claim_words.h"
#include "sweeps/condition.h"

namespace palimpsest {
namespace {

std::string yes(bool value) { return value ? "yes" : "no"; }
std::string direction(const ClaimPart& part) { return part.direction == Direction::kGreater ? "greater" : "less"; }
std::int64_t size(std::size_t count) { return static_cast<std::int64_t>(count); }

/// "fast.qkv=adapter; training.learning_rate=0.0001": keys in full, for programs to read.
std::string exact(const Condition& condition) {
  std::string out;
  for (const auto& [key, value] : condition) {
    const auto* word = std::get_if<std::string>(&value);
    (out += out.empty() ? "" : "; ") += key + "=" + (word ? *word : text(value));
  }
  return out;
}

struct Count {
  std::int64_t done = 0, failed = 0, waiting = 0;
  std::set<std::int64_t> units;
  double seconds = 0;
};

std::vector<std::string> with_keys(std::vector<std::string> before, const std::vector<std::string>& keys,
                                   const std::vector<std::string>& after) {
  before.insert(before.end(), keys.begin(), keys.end());
  before.insert(before.end(), after.begin(), after.end());
  return before;
}

void add_keys(std::vector<Cell>& row, const Condition& condition, const std::vector<std::string>& keys) {
  for (const auto& key : keys) {
    const auto found = condition.find(key);
    if (found == condition.end())
      row.emplace_back(std::string());
    else if (const auto* number = std::get_if<double>(&found->second))
      row.emplace_back(*number);
    else if (const auto* integer = std::get_if<std::int64_t>(&found->second))
      row.emplace_back(*integer);
    else
      row.emplace_back(plain(found->second));
  }
}

std::vector<std::string> keys_of(const FigureConditions& conditions) {
  std::vector<std::string> keys;
  for (const auto* side : {&conditions.colours, &conditions.others})
    for (const auto& [key, value] : side->front()) keys.push_back(key);
  return keys;
}

std::vector<Cell> series_cells(const Figure& figure, const FigureConditions& conditions, const FigureSeries& series) {
  std::vector<Cell> row;
  Condition both = conditions.colours[series.colour];
  both.insert(conditions.others[series.other].begin(), conditions.others[series.other].end());
  add_keys(row, both, keys_of(conditions));
  row.emplace_back(figure.panels[series.panel]);
  row.emplace_back(figure.splits[series.split]);
  return row;
}

}  // namespace

Table claims_table(const std::vector<ClaimResult>& claims) {
  Table table({"claim",
               "verdict",
               "exploratory",
               "withdrawn",
               "provisional",
               "claim_p",
               "claim_p_adjusted",
               "part",
               "part_verdict",
               "metric",
               "statistic",
               "at",
               "treatment",
               "baseline",
               "each",
               "direction",
               "smallest_effect",
               "units",
               "effect",
               "low",
               "high",
               "bca_low",
               "bca_high",
               "crossed_low",
               "crossed_high",
               "crossed_df",
               "g",
               "p",
               "p_adjusted",
               "p_equivalence",
               "p_equivalence_adjusted",
               "failed_runs",
               "missing_runs",
               "unpaired_runs",
               "left_out_units",
               "worst_low",
               "worst_high",
               "why"});
  for (const ClaimResult& claim : claims) {
    std::int64_t number = 0;
    for (const PartResult& part : claim.parts)
      table.add({claim.claim.name,
                 word(claim.verdict),
                 yes(claim.exploratory),
                 yes(claim.withdrawn),
                 yes(claim.provisional),
                 claim.p,
                 claim.p_adjusted,
                 ++number,
                 word(part.verdict),
                 part.part.metric,
                 statistic_words(part.part),
                 place_words(part.part),
                 exact(part.part.treatment),
                 exact(part.part.baseline),
                 exact(part.each),
                 direction(part.part),
                 part.part.smallest_effect,
                 size(part.units.size()),
                 part.effect,
                 part.interval.low,
                 part.interval.high,
                 part.bca.low,
                 part.bca.high,
                 part.levels.size() > 1 ? part.crossed.interval.low : std::nan(""),
                 part.levels.size() > 1 ? part.crossed.interval.high : std::nan(""),
                 part.levels.size() > 1 ? part.crossed.degrees_of_freedom : std::nan(""),
                 part.g,
                 part.p,
                 part.p_adjusted,
                 part.p_equivalence,
                 part.p_equivalence_adjusted,
                 part.failed_runs,
                 part.missing_runs,
                 part.unpaired_runs,
                 part.left_out_units,
                 part.worst_case.low,
                 part.worst_case.high,
                 claim.why});
  }
  return table;
}

Table units_table(const std::vector<ClaimResult>& claims) {
  Table table({"claim", "part", "metric", "each", "unit", "value"});
  for (const ClaimResult& claim : claims) {
    std::int64_t number = 0;
    for (const PartResult& part : claim.parts) {
      ++number;
      for (const auto& [unit, value] : part.units)
        table.add({claim.claim.name, number, part.part.metric, exact(part.each), unit, value});
    }
  }
  return table;
}

Table conditions_table(const Rows& rows) {
  const Cells cells(rows);
  std::map<Condition, Count> counts;
  std::vector<Count*> of_cell;
  for (const Settings* settings : cells.settings) of_cell.push_back(&counts[condition_of(*settings, rows.axes)]);
  for (std::size_t i = 0; i < rows.runs.size(); ++i) {
    const LedgerRun& run = rows.runs[i];
    Count& count = *of_cell[cells.of[i]];
    count.done += run.state == RunState::kDone;
    count.failed += run.state == RunState::kFailed;
    count.waiting += run.state == RunState::kWaiting;
    if (run.state == RunState::kDone) count.units.insert(unit_of(rows, run)), count.seconds += run.seconds;
  }
  Table table(with_keys({}, rows.axes, {"done", "failed", "waiting", "units", "seconds_per_run"}));
  for (const auto& [condition, count] : counts) {
    std::vector<Cell> row;
    add_keys(row, condition, rows.axes);
    for (Cell cell : {Cell(count.done), Cell(count.failed), Cell(count.waiting), Cell(size(count.units.size())),
                      Cell(count.seconds / static_cast<double>(count.done))})
      row.push_back(std::move(cell));
    table.add(std::move(row));
  }
  return table;
}

Table failures_table(const Rows& rows) {
  Table table(with_keys({"run", "image_set", "seed"}, rows.axes, {"attempts", "reason"}));
  for (const LedgerRun& run : rows.runs) {
    if (run.state != RunState::kFailed) continue;
    std::vector<Cell> row = {run.spec.id, run.spec.image_set, run.spec.seed};
    add_keys(row, condition_of(run.spec.settings, rows.axes), rows.axes);
    row.emplace_back(std::int64_t{run.attempts});
    row.emplace_back(run.reason);
    table.add(std::move(row));
  }
  return table;
}

Table figure_units_table(const Figure& figure, const FigureConditions& conditions) {
  Table table(with_keys(keys_of(conditions), {"panel", "split"}, {figure.info.x, "unit", "value"}));
  for (const FigureSeries& series : figure.series) {
    const auto line = series_cells(figure, conditions, series);
    for (const auto& [unit, course] : series.units)
      for (std::size_t x = 0; x < course.size(); ++x) {
        std::vector<Cell> row;
        row.reserve(line.size() + 3);
        row.insert(row.end(), line.begin(), line.end());
        row.emplace_back(figure.x[x]), row.emplace_back(unit), row.emplace_back(course[x]);
        table.add(std::move(row));
      }
  }
  return table;
}

Table figure_means_table(const Figure& figure, const FigureConditions& conditions) {
  Table table(with_keys(keys_of(conditions), {"panel", "split"}, {figure.info.x, "units", "mean", "low", "high"}));
  for (const FigureSeries& series : figure.series)
    for (std::size_t x = 0; x < series.mean.size(); ++x) {
      auto row = series_cells(figure, conditions, series);
      for (Cell cell : {Cell(figure.x[x]), Cell(size(series.units.size())), Cell(series.mean[x]), Cell(series.low[x]),
                        Cell(series.high[x])})
        row.push_back(std::move(cell));
      table.add(std::move(row));
    }
  return table;
}

std::map<std::string, std::function<Table()>> report_tables(const Rows& rows, const std::vector<ClaimResult>& claims,
                                                            const std::vector<Figure>& figures, const FigureConditions& conditions) {
  std::map<std::string, std::function<Table()>> tables = {{"claims", [&] { return claims_table(claims); }},
                                                          {"units", [&] { return units_table(claims); }},
                                                          {"conditions", [&] { return conditions_table(rows); }},
                                                          {"failures", [&] { return failures_table(rows); }}};
  for (const Figure& figure : figures) {
    if (!figure.problem.empty()) continue;
    const FigureConditions& by = conditions_of(figure, conditions);
    tables.emplace("figure-" + figure.slug, [&] { return figure_units_table(figure, by); });
    tables.emplace("figure-" + figure.slug + "-means", [&] { return figure_means_table(figure, by); });
  }
  return tables;
}

}  // namespace palimpsest
