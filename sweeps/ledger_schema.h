#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <filesystem>
#include <vector>

#include "sweeps/ledger_json.h"

namespace palimpsest {

constexpr int kLedgerVersion = 4;  // of the tables; grows when an older program could not read them any more

/// Opens `ledger.sqlite` of a folder, making its tables where it is new.
SQLite::Database open_ledger_for_writing(const std::filesystem::path& folder);
/// The same to read; also from a folder that cannot be written to.
SQLite::Database open_ledger_for_reading(const std::filesystem::path& folder);

/// A file's name as SQLite's URI, with a query such as "mode=ro".
std::string uri_of(const std::filesystem::path& file, const std::string& query);

/// Several ledgers copied into one in memory (ledger_join.cc).
SQLite::Database joined_ledgers(const std::vector<std::filesystem::path>& folders);
/// The tables of an empty ledger.
void make_tables(SQLite::Database&);

/// What SQLite says in our words: InputError (damaged, no ledger, not writable) or Interrupted (disk full).
[[noreturn]] void throw_for(const std::filesystem::path& file, const SQLite::Exception&);

/// Runs `work`; what SQLite throws becomes one of our errors and names the file.
template <class Work>
auto guarded(const std::filesystem::path& file, Work work) {
  try {
    return work();
  } catch (const SQLite::Exception& error) {
    throw_for(file, error);
  } catch (const FormatError& error) {
    throw InputError(file.string() + ": " + error.what());
  }
}

}  // namespace palimpsest
