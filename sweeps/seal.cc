#include "sweeps/seal.h"

#include <sqlite3.h>
#include <xxhash.h>

#include <array>
#include <cstring>
#include <span>

namespace palimpsest {
namespace {

// type letter, length, bytes: no two lists of values are spelled alike.
void append(std::string& text, char type, const void* bytes, std::size_t size) {
  const auto length = static_cast<std::uint64_t>(size);
  text += type;
  text.append(reinterpret_cast<const char*>(&length), sizeof length);
  text.append(static_cast<const char*>(bytes), size);
}

template <class Number>
void append(std::string& text, char type, Number number) {
  const std::uint64_t length = sizeof number;
  std::array<char, 1 + sizeof length + sizeof number> bytes{type};
  std::memcpy(bytes.data() + 1, &length, sizeof length);
  std::memcpy(bytes.data() + 1 + sizeof length, &number, sizeof number);
  text.append(bytes.data(), bytes.size());
}

void append_integer(std::string& text, std::int64_t value) { append(text, 'i', value); }
void append_real(std::string& text, double value) { append(text, 'd', value + 0.0); }   // SQLite does not keep the sign of a zero
void append_text(std::string& text, std::string_view value) { append(text, 's', value.data(), value.size()); }

void append(std::string& text, sqlite3_value* value) {
  switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER: return append_integer(text, sqlite3_value_int64(value));
    case SQLITE_FLOAT: return append_real(text, sqlite3_value_double(value));
    case SQLITE_NULL: return append(text, 'n', "", 0);
    case SQLITE_TEXT: {
      const auto* bytes = reinterpret_cast<const char*>(sqlite3_value_text(value));
      return append_text(text, {bytes, static_cast<std::size_t>(sqlite3_value_bytes(value))});
    }
    default: {   // large: its hash stands for it
      const void* bytes = sqlite3_value_blob(value);
      const auto size = static_cast<std::size_t>(sqlite3_value_bytes(value));
      const XXH64_hash_t hash = XXH3_64bits(bytes, size);
      append(text, 'b', &hash, sizeof hash);
      return append(text, 'l', &size, sizeof size);
    }
  }
}

std::int64_t seal_of(const std::string& text) { return static_cast<std::int64_t>(XXH3_64bits(text.data(), text.size())); }

void seal(sqlite3_context* context, int count, sqlite3_value** values) {
  thread_local std::string text;   // keeps its room
  text.clear();
  for (sqlite3_value* value : std::span(values, static_cast<std::size_t>(count))) append(text, value);
  sqlite3_result_int64(context, seal_of(text));
}

std::string seal_of(std::span<const std::string_view> columns, const std::map<std::string_view, std::string_view>& changed) {
  std::string text;
  for (const std::string_view column : columns) {
    const auto given = changed.find(column);
    text += (text.empty() ? "seal(" : ", ") + std::string(given == changed.end() ? column : given->second);
  }
  return text + ")";
}

// All but the number of attempts, which says nothing of the result and changes with every hand-out.
constexpr std::array<std::string_view, 17> kOfRun = {"row",   "id",     "settings", "seed",   "image_set", "method",   "inputs",  "asked",
                                                     "state", "reason", "host",     "device", "started",   "finished", "seconds", "results", "first"};
constexpr std::array<std::string_view, 7> kOfPack = {"pack", "epoch", "host", "device", "rank", "started", "runs"};   // its row says nothing of it
constexpr std::array<std::string_view, 4> kOfClaim = {"hash", "position", "json", "exploratory"};

}  // namespace

Seal& Seal::add(std::int64_t value) { return append_integer(text_, value), *this; }
Seal& Seal::add(double value) { return append_real(text_, value), *this; }
Seal& Seal::add(std::string_view value) { return append_text(text_, value), *this; }

std::int64_t Seal::take() {
  const std::int64_t seal = seal_of(text_);
  text_.clear();
  return seal;
}

void know_seals(SQLite::Database& db) {
  const int code = sqlite3_create_function(db.getHandle(), "seal", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr, seal, nullptr, nullptr);
  if (code != SQLITE_OK) throw SQLite::Exception(db.getHandle(), code);
}

std::string seal_of_run(const std::map<std::string_view, std::string_view>& changed) { return seal_of(kOfRun, changed); }
std::string seal_of_pack(const std::map<std::string_view, std::string_view>& changed) { return seal_of(kOfPack, changed); }
std::string seal_of_claim(const std::map<std::string_view, std::string_view>& changed) { return seal_of(kOfClaim, changed); }

const std::vector<SealedTable>& sealed_tables() {
  static const std::vector<SealedTable> tables = {{"meta", "seal(key, value)"},
                                                  {"settings", "seal(id, json)"},
                                                  {"inputs", "seal(id, json)"},
                                                  {"packs", seal_of_pack()},
                                                  {"runs", seal_of_run()},
                                                  {"claims", seal_of_claim()},
                                                  {"metrics", "seal(id, name)"},
                                                  {"shapes", "seal(id, axes)"},
                                                  {"measurements", "seal(metric, run, runs, shape, numbers)"},
                                                  {"attachments", "seal(run, name, media_type, bytes)"}};
  return tables;
}

}  // namespace palimpsest
