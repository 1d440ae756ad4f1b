#pragma once

#include <deque>
#include <string>
#include <vector>

#include "sweeps/claim.h"
#include "sweeps/pairing.h"
#include "sweeps/part_reader.h"
#include "sweeps/readings.h"

namespace palimpsest {

/// What the runs have of one statistic.
struct PartValues {
  RunValues values;
  std::string problem;  // why it cannot be read; empty where it can
};

/// What a part of a claim reads, whatever it says of it.
ClaimPart statistic_of(ClaimPart);

/// Reads the value that each run has of a statistic.
class StatisticReading : public Reading {
 public:
  StatisticReading(const Rows& rows, const ClaimPart& statistic);
  void prepare(const std::vector<Axis>&, const Selection& chosen) override;
  void take(std::size_t run, const Measurement& measurement) override {
    if (!sound_) return;
    found_.values.at(run) = read_(measurement);
    if (found_.values.matched()) found_.values.change_at(run) = read_.course(measurement);
  }
  RunValues& values() { return found_.values; }
  const ClaimPart& statistic() const { return statistic_; }
  const PartValues& found() const { return found_; }

 private:
  const ClaimPart statistic_;
  PartReader read_;
  PartValues found_;
  bool sound_ = false;
};

/// Reads the loss that each run has on its way, for a statistic that is matched.
class LossReading : public Reading {
 public:
  LossReading(const Rows& rows, const std::string& metric, RunValues& found) : Reading(metric), rows_(rows), steps_key_(rows.matchable.at(metric)), found_(found) {}
  void prepare(const std::vector<Axis>&, const Selection&) override {}
  void take(std::size_t run, const Measurement&) override;

 private:
  const Rows& rows_;
  const std::string steps_key_;
  RunValues& found_;
};

/// Statistics of runs, each read once, however many parts of claims and figures ask for it.
class Statistics {
 public:
  Statistics(const Rows&, const std::vector<ClaimPart>&);
  std::vector<Reading*> readings();
  const PartValues& of(const ClaimPart&) const;   // one of those that were named

 private:
  std::deque<StatisticReading> readings_;
  std::deque<LossReading> losses_;
};

}  // namespace palimpsest
