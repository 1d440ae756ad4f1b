#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/error.h"
#include "runtime/settings.h"
#include "sweeps/claim.h"
#include "sweeps/measurement.h"

namespace palimpsest {

/// Text or rows that are none of ours; whoever knows the file or peer it came from adds the name.
class FormatError : public InputError {
 public:
  using InputError::InputError;
};

/// What a session asked for: its epoch, the units of inference, and how many runs were done by then.
using SessionUnits = std::array<std::int64_t, 3>;

/// The JSON inside the ledger and on the wire. A value is [type letter, value], since JSON does not tell 1 from 1.0 or whose an
/// empty list is: ["b", true], ["i", 3], ["d", 0.5], ["s", "mean"], ["I", [0, 20]], ["D", [0.1]], ["S", ["query"]]; numbers that
/// JSON has no word for are strings ("inf", "-inf", "nan"). Reading throws FormatError when the text is none of ours.
///
///   settings   {"fast.rank": ["i", 8], ...}
///   axes       [{"name": "epoch", "labels": ["0", "20"]}, ...]
///   claim      {"name", "hash", "alpha", "each": [...], "parts": [{"metric", "at": {...}, "treatment": {key: value}, ...}]}
std::string to_json(const Settings&);
std::string to_json(const std::vector<Axis>&);
std::string to_json(const Claim&);
std::string to_json(const std::map<std::string, std::string>&);
std::string to_json(const std::vector<std::string>&);
std::string to_json(const std::vector<SessionUnits>&);

Settings settings_of_json(std::string_view);
std::vector<Axis> axes_of_json(std::string_view);
Claim claim_of_json(std::string_view);
std::map<std::string, std::string> words_of_json(std::string_view);
std::vector<std::string> list_of_json(std::string_view);
std::vector<SessionUnits> units_of_json(std::string_view);

}  // namespace palimpsest
