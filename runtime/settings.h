#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/error.h"

namespace palimpsest {

/// What a key of a definition can hold.
using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>,
                           std::vector<std::string>>;

/// As TOML would write it, one spelling for one value (shortest round-trip numbers): part of a run's identity.
std::string text(const Value&);

/// An empty string or list, which is how a key is written that is not given.
bool not_given(const Value&);

enum class KeyType { kBool, kInteger, kNumber, kString, kIntegers, kNumbers, kStrings, kPath, kPaths };

/// One key of a study or of pretraining, declared once: the reader, its errors, --help, the schema and the list of
/// sweepable axes all come from it.
struct Key {
  std::string name;                       // dotted: "training.learning_rate"
  KeyType type;
  Value default_value;                    // of the type; an empty string or list means "not given" where required
  std::string meaning;                    // one sentence, with the cost of a larger value where there is one
  std::string unit = {};                  // "epochs", "pixels", ...
  std::optional<double> minimum = {};     // numbers, and each number of a list
  std::optional<double> maximum = {};
  std::vector<std::string> choices = {};  // strings, and each string of a list; empty: anything
  bool required = false;
  bool sweepable = true;
};
using KeyTable = std::vector<Key>;

/// Every key of a table with its value; what the program reads after the edge. Missing keys are a broken promise. Copies share their values until one
/// is changed: the runs of a sweep have mostly the same ones.
class Settings {
 public:
  using Values = std::map<std::string, Value, std::less<>>;

  bool flag(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  const std::string& string(std::string_view key) const;  // strings and paths
  const std::vector<std::int64_t>& integers(std::string_view key) const;
  const std::vector<double>& numbers(std::string_view key) const;
  const std::vector<std::string>& strings(std::string_view key) const;

  const Value& at(std::string_view key) const;
  bool has(std::string_view key) const { return values().contains(key); }
  void set(std::string_view key, Value value);
  const Values& values() const;

  bool operator==(const Settings& other) const { return values_ == other.values_ || values() == other.values(); }

 private:
  std::shared_ptr<Values> values_;   // none: no key
};

/// All mistakes of a file at once, a line each: "file:line:column: what. What to do."
class DefinitionError : public InputError {
 public:
  explicit DefinitionError(std::vector<std::string> mistakes);
  const std::vector<std::string>& mistakes() const { return mistakes_; }

 private:
  std::vector<std::string> mistakes_;
};

/// A key given on the command line: --set training.epochs=20. The value is read as TOML, and as a bare string where it
/// is none.
struct Override {
  std::string key, value;
};
Override parse_override(std::string_view argument);  // throws InputError without "="

/// Reads a TOML file that holds keys of `table` alone (pretraining). Paths are made absolute, relative to the file
/// (those of overrides: to the working folder). Throws DefinitionError with every mistake of the file.
Settings read_settings(const std::filesystem::path& file, const KeyTable& table, std::span<const Override> overrides = {});

/// The defaults of a table. Throws InputError when a required key has none.
Settings default_settings(const KeyTable& table);

/// The known word nearest to `word` by edit distance, when near enough to be meant: for "did you mean".
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known);

}  // namespace palimpsest
