#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace palimpsest {

/// One axis of a measurement, with a label for each place: {"epoch", {"0", "20", "100"}}, {"images", {"familiar", "novel"}}.
struct Axis {
  std::string name;
  std::vector<std::string> labels;
  bool operator==(const Axis&) const = default;
};

/// A named array over declared axes, row-major: one row of the ledger per run and metric.
struct Measurement {
  std::string metric;
  std::vector<Axis> axes;
  std::vector<float> values;
};

/// A file a run leaves in the ledger for the report (a picture); never part of the export.
struct Attachment {
  std::string name, media_type;
  std::vector<std::byte> bytes;
};

/// The places of an axis that a word of a definition means: a label ("novel"; numbers compared as numbers, "0.30" is 0.3),
/// or a group of an ordered axis: "first", "middle" (n / 2), "last", "early" (first half), "late" (second half), "all".
/// Empty where the word means nothing on this axis.
std::vector<std::size_t> places(const Axis& axis, std::string_view word);

}  // namespace palimpsest
