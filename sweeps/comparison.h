#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sweeps/rows.h"
#include "sweeps/statistics.h"

namespace palimpsest {

/// Two sweeps, of different studies as a rule, that measured the same statistics over training and noise: do they
/// change alike? The change of a unit is log(last / first) over training, at each noise level, of the runs a sweep's
/// first claim treats (all where it has none); what else the metric has axes for is averaged over.

/// One sweep's side of a statistic.
struct SweepChange {
  std::string name;              // of the sweep
  std::string from, to;          // epochs: those of the sweep's first claim on the metric, else first and last
  std::vector<double> by_level;  // mean over units at each noise level both sweeps have
  double effect = 0;             // mean over these levels
  Interval interval;             // t, 95 %, over units
  double slope = 0;              // of the change over the noise level, from 0 to 1
  Interval slope_interval;
  std::vector<std::vector<double>> units;  // [unit][level]
};

enum class Alike { kSame, kOpposite, kUndecided };
std::string word(Alike);

struct ComparedStatistic {
  std::string metric, images;  // "familiar", or "familiar - novel"
  std::vector<double> levels;  // of noise, that both have
  SweepChange a, b;
  Alike direction = Alike::kUndecided;     // kSame, kOpposite: both intervals are on one side of 0
  double ratio = 0;                        // a's effect over b's; NaN where b's interval holds 0
  std::optional<double> rank_correlation;  // Spearman's, of by_level; none below three levels
  Interval rank_interval;                  // 95 % of 2,000 draws of units
  bool slopes_agree = false;               // the intervals of the slopes overlap
  std::string problem;                     // why it cannot be computed
};

/// Every metric that both declare over images, epoch and noise, for familiar images and for familiar minus novel.
std::vector<ComparedStatistic> compare(const std::string& name_a, const Rows& a,
                                       const std::vector<MetricInfo>& metrics_a, const std::string& name_b,
                                       const Rows& b, const std::vector<MetricInfo>& metrics_b);

/// Spearman's rank correlation, ties at their mean rank; NaN where one side is all equal.
double spearman(const std::vector<double>& x, const std::vector<double>& y);

}  // namespace palimpsest
