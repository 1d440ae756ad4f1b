#pragma once

#include <string>
#include <vector>

#include <fmt/format.h>

#include "runtime/error.h"

namespace palimpsest {

/// The entry of a list (pointers to something with a `name`) that bears a name. Throws InputError, which tells the names there are.
template <class Info>
const Info& find_named(const std::vector<const Info*>& list, const std::string& name, const char* kind) {
  std::string known;
  for (const Info* entry : list) {
    if (entry->name == name) return *entry;
    known += fmt::format("{}\"{}\"", known.empty() ? "" : ", ", entry->name);
  }
  throw InputError(fmt::format("there is no {} \"{}\". Write one of {}.", kind, name, known));
}

template <class Info>
std::vector<std::string> names_of(const std::vector<const Info*>& list) {
  std::vector<std::string> out;
  for (const Info* entry : list) out.emplace_back(entry->name);
  return out;
}

/// "what: name: meaning; name: meaning", for a key that names one.
template <class Info>
std::string meanings(const std::string& what, const std::vector<const Info*>& list) {
  std::string out = what;
  for (const Info* entry : list) out += fmt::format("{} {}: {}", entry == list.front() ? ":" : ";", entry->name, entry->meaning);
  return out;
}

}  // namespace palimpsest
