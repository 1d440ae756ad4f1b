#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sweeps/study.h"

namespace palimpsest {

/// The inputs of a plan, one after the other: packed, since a sweep may have very many image sets.
class RecordedInputs {
 public:
  void add(const Inputs&);
  std::size_t size() const { return ends_.size(); }
  Inputs at(std::size_t place) const;
  std::string hash() const;                                // of all of them

  /// A line of JSON for each, {"name": "hash", ...}. Reading throws FormatError.
  std::string text() const;
  static RecordedInputs of_text(std::string_view);

 private:
  std::vector<std::vector<std::string>> names_;            // distinct lists of names
  std::string bytes_;                                      // of each: its list of names, then each value
  std::vector<std::uint64_t> ends_;
};

}  // namespace palimpsest
