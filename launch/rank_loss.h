#pragma once

#include <optional>
#include <string>

namespace palimpsest {

/// A rank that ended before its time, as what started it tells.
struct RankLoss {
  int rank = 0;
  std::string host;    // "" where it is not told
  int signal = 0;      // that killed it; 0: it ended by itself
  int exit_code = 0;
  bool operator==(const RankLoss&) const = default;
};

/// What mpirun (Open MPI 4 and 5) or srun says of a rank that was lost; nothing where `text` is about something else.
std::optional<RankLoss> rank_loss_in(const std::string& text);

/// "rank 0 on node1 was killed by signal 9 (Killed)".
std::string loss_text(const RankLoss&);

/// What may be behind it and what to do, in whole sentences.
std::string loss_advice(const RankLoss&);

}  // namespace palimpsest
