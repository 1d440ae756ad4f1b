#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "sweeps/rows.h"

namespace palimpsest {

/// Reads something off what runs measured of one metric.
class Reading {
 public:
  explicit Reading(std::string metric) : metric_(std::move(metric)) {}
  virtual ~Reading() = default;
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  const std::string& metric() const { return metric_; }

  /// Before the first run, and before each whose axes, or whose places that its settings choose (chosen_places), are others than those before.
  virtual void prepare(const std::vector<Axis>&, const Selection& chosen) = 0;
  virtual void take(std::size_t run, const Measurement&) = 0;   // run: its place in Rows::runs

 private:
  const std::string metric_;
};

/// Goes through measurements once for all of these, in the order of the plan. Readings of different metrics may be called by different threads.
void read_together(const Rows&, const std::vector<Reading*>&);

}  // namespace palimpsest
