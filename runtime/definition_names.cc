#include "runtime/definition_names.h"

#include "runtime/durable_file.h"
#include "runtime/settings_toml.h"

namespace palimpsest {

std::vector<std::string> names_at_top(const std::filesystem::path& file) {
  std::vector<std::string> names;
  for (const auto& [key, node] : parse_toml(read_file(file), file)) names.emplace_back(key.str());
  return names;
}

}  // namespace palimpsest
