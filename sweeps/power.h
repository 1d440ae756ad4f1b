#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "sweeps/replication.h"
#include "sweeps/verdict.h"

namespace palimpsest {

/// The chance that a two-sided one-sample t test of n units at level alpha finds an effect of `standardised` SDs, with its sign: by the
/// noncentral t distribution (Cohen 1988).
double power_of_t_test(std::int64_t n, double standardised, double alpha);

/// The fewest units with at least this power, where the sign-flip test can reach alpha at all (n >= 1 - log2 alpha). Nothing above a million.
std::optional<std::int64_t> units_for(double standardised, double power, double alpha);

/// The units at which shares `powers` of simulated sweeps had decided on such an effect of normal units, where they are added one by one and the
/// confidence sequence is looked at after each. Nothing above 20,000.
std::vector<std::optional<std::int64_t>> units_of_sequence(double standardised, const std::vector<double>& powers, double alpha);

/// How many units a part of a claim would need, by how much its units vary in a ledger.
struct PartPower {
  std::string claim, part;
  std::int64_t units = 0;             // there are
  double effect = 0, sd = 0;          // of them; NaN below three units
  Interval sd_interval;               // 95 %, for normal units
  double alpha = 0.05;                // of Holm's first step over the file's claims
  struct Row {
    double effect = 0;
    std::string meaning;              // "smallest effect of interest", "as seen", "0.5 SD"; empty: as asked for
    std::vector<std::optional<std::int64_t>> units;   // for each power
  };
  std::vector<Row> rows;
};

/// Effects: those given; without any the smallest of interest, the one seen, and 0.2, 0.5 and 0.8 SD. `grows`: verdicts come from confidence sequences,
/// and units in its batches.
std::vector<PartPower> power_table(const std::vector<ClaimResult>&, const std::vector<double>& effects, const std::vector<double>& powers,
                                   const std::optional<Replication>& grows = std::nullopt);

std::string power_text(const std::vector<PartPower>&, const std::vector<double>& powers, const std::string& unit, const std::optional<Replication>& grows = std::nullopt);
nlohmann::json power_json(const std::vector<PartPower>&, const std::vector<double>& powers, const std::string& unit, const std::optional<Replication>& grows = std::nullopt);

}  // namespace palimpsest
