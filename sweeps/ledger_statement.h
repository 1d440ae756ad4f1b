#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/core.h>

#include <cstdint>
#include <map>
#include <string>
#include <type_traits>

#include "sweeps/seal.h"

namespace palimpsest {

template <class Value>
void bind(SQLite::Statement& statement, int place, const Value& value) {
  if constexpr (std::is_same_v<Value, std::string>) statement.bindNoCopy(place, value);
  else statement.bind(place, value);
}

// Binds in order, runs, and makes the statement ready for its next row.
template <class... Values>
int run(SQLite::Statement& statement, const Values&... values) {
  int place = 0;
  (bind(statement, ++place, values), ...);
  const int changed = statement.exec();
  statement.reset();
  statement.clearBindings();
  return changed;
}

// The same for a row that ends in the seal of these values and in `last`, which is not sealed.
template <class Last, class... Values>
int run_sealed(SQLite::Statement& statement, Seal& seal, const Last& last, const Values&... values) {
  (seal.add(values), ...);
  return run(statement, values..., seal.take(), last);
}

// The row number of a text in a table of distinct texts; those asked for last are kept in mind.
class Lookup {
 public:
  Lookup(SQLite::Database& db, const char* table, const char* column)
      : insert_(db, fmt::format("INSERT OR IGNORE INTO {0} (id, {1}, seal) SELECT next, ?1, seal(next, ?1) FROM "
                                "(SELECT coalesce(max(id), 0) + 1 AS next FROM {0})", table, column)),
        select_(db, fmt::format("SELECT id FROM {} WHERE {} = ?", table, column)) {}

  std::int64_t operator()(const std::string& text) {
    if (const auto known = known_.find(text); known != known_.end()) return known->second;
    run(insert_, text);
    select_.bind(1, text);
    select_.executeStep();
    const std::int64_t id = select_.getColumn(0).getInt64();
    select_.reset();
    if (known_.size() >= kMostKnown) known_.clear();
    return known_[text] = id;
  }

 private:
  static constexpr std::size_t kMostKnown = 1024;
  SQLite::Statement insert_, select_;
  std::map<std::string, std::int64_t> known_;
};

}  // namespace palimpsest
