#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace palimpsest {

/// The keys and tables at the top of a TOML file: by them one kind of definition is told from another before it is read. Throws
/// DefinitionError where the file is no TOML.
std::vector<std::string> names_at_top(const std::filesystem::path& file);

}  // namespace palimpsest
