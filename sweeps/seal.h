#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace palimpsest {

/// A row's seal: XXH3-64 of its values, each with its type, in order. It is written with the row and looked at when the row is read, so that a
/// bit that changed on disk is found where SQLite's own structure is still sound. This makes the SQL function seal(value, ...) known.
void know_seals(SQLite::Database&);

/// The same seal, of values that are at hand: a row that is written very often asks SQL for nothing.
class Seal {
 public:
  Seal& add(std::int64_t);
  Seal& add(double);
  Seal& add(std::string_view);
  std::int64_t take();               // of what was added; then it begins anew

 private:
  std::string text_;                 // keeps its room
};

/// "seal(id, settings, ...)": the seal of a row of `runs`; columns that the same statement changes are given by their new values, {"asked", "0"}.
std::string seal_of_run(const std::map<std::string_view, std::string_view>& changed = {});
/// The same of a pack, and of a claim.
std::string seal_of_pack(const std::map<std::string_view, std::string_view>& changed = {});
std::string seal_of_claim(const std::map<std::string_view, std::string_view>& changed = {});

/// A table whose rows are sealed, and the seal of a row.
struct SealedTable {
  std::string name, seal;
};
const std::vector<SealedTable>& sealed_tables();

/// SQL of how many measurements a row of `runs` has.
constexpr const char* kMeasurementsOfRun =
    "(SELECT count(*) FROM metrics CROSS JOIN measurements AS m ON m.metric = metrics.id AND m.run = (SELECT max(x.run) FROM measurements AS x "
    "WHERE x.metric = metrics.id AND x.run <= runs.row) WHERE m.run + m.runs > runs.row)";

}  // namespace palimpsest
