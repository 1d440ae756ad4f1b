#pragma once

// The part of reading definitions that sees toml++: shared by the readers of pretraining and of sweeps, and by nobody
// else.

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

#include "runtime/settings.h"

namespace palimpsest {

/// The mistakes of one definition, gathered while it is read and thrown together, in the order of the file. Each names
/// the file it stands in, which may be an included one.
class Mistakes {
 public:
  explicit Mistakes(std::filesystem::path file) : file_(std::move(file)) {}

  /// "file:line:column: what", or "--set key=value: what" for what came from the command line.
  void add(const toml::node& where, const std::string& what) { add(where.source(), what); }
  void add(const toml::key& where, const std::string& what) { add(where.source(), what); }
  void add(const toml::source_region& where, const std::string& what);
  void add(const std::string& what);  // of the file as a whole: "file: what"
  std::string place_of(const toml::source_region& where) const;  // "file:line:column"
  bool empty() const { return mistakes_.empty(); }
  void throw_if_any() const;  // throws DefinitionError

 private:
  struct Mistake {
    toml::source_region where;
    std::string line;
  };
  std::filesystem::path file_;
  std::vector<Mistake> mistakes_;
};

/// Where a key stands; of one that an override put in, where its value does.
const toml::source_region& place(const toml::key& key, const toml::node& node);

/// Parses TOML. Throws DefinitionError with the place of the first mistake of syntax.
toml::table parse_toml(std::string_view text, const std::filesystem::path& file);

/// Lays overrides over a parsed definition as if they had been written there. A key of `keys` that holds text takes the
/// override's text as it is; every other one is read as TOML, and as a bare string where it is none. Unknown keys are
/// found later, with the file's.
void lay_over(toml::table& root, std::span<const Override> overrides, const KeyTable& keys, Mistakes& mistakes);

/// The value of one node, checked against its key's type, range and choices; paths are made absolute, relative to the
/// file (of overrides: to the working folder). Nothing, and a mistake told, where it does not fit. `shown`: how the
/// mistake names it ("training.epochs").
std::optional<Value> checked_value(const toml::node& node, const Key& key, const std::string& shown,
                                   Mistakes& mistakes);

/// Reads every key of `keys` that stands in `root` or in its tables; those not given get their default, and required
/// ones that are missing are a mistake. Top-level names in `others` belong to another reader. Any other name is a
/// mistake, with the nearest known one.
Settings read_keys(const toml::table& root, const KeyTable& keys, std::span<const std::string> others,
                   Mistakes& mistakes);

/// Of text that a terminal would not show but obey.
inline bool is_control(unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; }

/// Whether a node came from an override rather than from the file.
bool from_command_line(const toml::source_region& where);

/// For mistakes: a node as it is written, shortened, and what it is ("a string").
std::string written(const toml::node& node);
std::string kind(const toml::node& node);

/// " Did you mean X?" with a leading space, or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string> known);

}  // namespace palimpsest
