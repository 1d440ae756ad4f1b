#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace palimpsest {

/// [replicate]: units of inference are added until every claim is decided. The first `min` always run; then, while a
/// claim is open, `batch` more of the conditions it compares, up to `max`.
struct Replication {
  std::int64_t min = 10, max = 0, batch = 5;
  double width = 0;  // a claim whose intervals are all narrower than this is as good as decided; 0: none is
  bool operator==(const Replication&) const = default;
};

/// What a resolved definition (Ledger::definition_text) says of it; nothing where it replicates a fixed number.
std::optional<Replication> replication_in(const std::string& resolved);

}  // namespace palimpsest
