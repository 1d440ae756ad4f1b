#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/settings.h"

namespace palimpsest {

/// Some keys of a study with their values: what distinguishes runs, or what a claim asks of them.
using Condition = std::map<std::string, Value>;

std::optional<double> number_of(const Value&);   // none where it is no number
/// Numbers are equal as numbers: 1 is 1.0.
bool same_value(const Value&, const Value&);
bool holds(const Settings&, const Condition&);
/// The values of `keys`, those that the settings have.
Condition condition_of(const Settings&, const std::vector<std::string>& keys);

// As a person would write them: "adapter", "1e-4", "qkv adapter, learning rate 1e-4".
std::string plain(const Value&);
std::string short_exponent(std::string number);  // "1.50e-05" -> "1.5e-5"
std::string plain_key(const std::string& key);
std::string plain(const Condition&);

}  // namespace palimpsest
