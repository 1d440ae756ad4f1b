#include "sweeps/replication.h"

#include <toml++/toml.h>

namespace palimpsest {

std::optional<Replication> replication_in(const std::string& resolved) {
  const toml::table root = toml::parse(resolved);
  const auto table = root["replicate"];
  if (!table.is_table()) return std::nullopt;
  Replication out;
  out.min = table["min"].value_or(out.min);
  out.max = table["max"].value_or(out.max);
  out.batch = table["batch"].value_or(out.batch);
  out.width = table["width"].value_or(out.width);
  return out;
}

}  // namespace palimpsest
