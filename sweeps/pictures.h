#pragma once

#include <string>
#include <vector>

#include "sweeps/report.h"

namespace palimpsest {

/// Pictures that runs left (reconstructions), one run for each condition: the first image set and seed that has any.
struct Picture {
  std::string title, address;  // the address is the picture itself
};
struct Pictures {
  std::vector<Picture> shown;
  std::int64_t left_out = 0;  // beyond what a page should carry
};
Pictures pictures_of(const ReportSource&);

}  // namespace palimpsest
