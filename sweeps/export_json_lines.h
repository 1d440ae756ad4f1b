#pragma once

#include <filesystem>

namespace palimpsest {

class Ledger;

/// What export_csv (ledger.h) writes, in the same files and order, as JSON lines: an object a row, with the same columns. Values of keys have their types,
/// labels of axes are text; null is a number that is none, and what a run or a measurement has no value of.
void export_json_lines(const Ledger&, const std::filesystem::path& out);

}  // namespace palimpsest
