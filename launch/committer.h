#pragma once

#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "launch/mailbox.h"
#include "sweeps/coordinator.h"
#include "sweeps/ledger.h"

namespace palimpsest {

/// The thread that writes the ledger. It takes effects in order, commits all entries that are there in one transaction, and only then lets the
/// others go on, in order: nothing is answered that is not on disk.
///
/// After a transaction that failed nothing is committed or let go any more; the error is told once.
class Committer {
 public:
  struct Cleared {
    std::vector<Effect> effects;       // no ledger entries
    std::int64_t effects_taken = 0;    // with the entries among them
    std::exception_ptr error;
  };
  /// `tell` is called from the thread.
  Committer(Ledger&, std::filesystem::path snapshots, std::function<void(Cleared)> tell);
  ~Committer();                        // commits what was submitted
  void submit(std::vector<Effect>);

 private:
  void work();
  Cleared commit(std::vector<std::vector<Effect>>);

  void forget_snapshots(const std::vector<LedgerEntry>&) const;   // of runs that are through

  Ledger& ledger_;
  const std::filesystem::path snapshots_;
  const std::function<void(Cleared)> tell_;
  Mailbox<std::vector<Effect>> submitted_;   // an empty one: the end
  std::thread thread_;
};

}  // namespace palimpsest
