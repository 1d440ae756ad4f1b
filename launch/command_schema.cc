#include <cstdio>
#include <memory>

#include <nlohmann/json.hpp>

#include "launch/commands.h"
#include "launch/kind_of_definition.h"
#include "sweeps/key_text.h"

namespace palimpsest {

Run add_schema(CommandLine& command) {
  auto kind = std::make_shared<std::string>();
  command.add_option("STUDY", *kind, kinds_of_definition())->required();
  return [kind](MpiWorld&) {
    const auto [keys, study] = kind_of_definition(*kind);
    const std::string text = definition_schema(keys, study).dump(2) + "\n";
    std::fputs(text.c_str(), stdout);
    return 0;
  };
}

}  // namespace palimpsest
