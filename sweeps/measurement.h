#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace palimpsest {

/// One axis of a measurement, with a label for each place: {"epoch", {"0", "20", "100"}}, {"images", {"familiar", "novel"}}.
struct Axis {
  std::string name;
  std::vector<std::string> labels;
  bool operator==(const Axis&) const = default;
};

/// The axes of a measurement. Copies share them: runs of a sweep mostly measure the same. They are not changed, only replaced.
class Axes {
 public:
  Axes() = default;
  Axes(std::vector<Axis> axes) : axes_(std::make_shared<const std::vector<Axis>>(std::move(axes))) {}
  Axes(std::initializer_list<Axis> axes) : Axes(std::vector<Axis>(axes)) {}
  const std::vector<Axis>& all() const {
    static const std::vector<Axis> none;
    return axes_ ? *axes_ : none;
  }
  operator const std::vector<Axis>&() const { return all(); }
  auto begin() const { return all().begin(); }
  auto end() const { return all().end(); }
  std::size_t size() const { return all().size(); }
  bool empty() const { return all().empty(); }
  const Axis& operator[](std::size_t place) const { return all()[place]; }
  bool operator==(const Axes& other) const { return axes_ == other.axes_ || all() == other.all(); }

 private:
  std::shared_ptr<const std::vector<Axis>> axes_;   // null: a number by itself
};

/// A named array over declared axes, row-major: one row of the ledger per run and metric.
struct Measurement {
  std::string metric;
  Axes axes;
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
