#pragma once

#include <filesystem>
#include <utility>

namespace palimpsest {

/// The lock on a results folder, `ledger.lock`: held by the one process that writes the ledger, and given up by the kernel when that
/// process ends, however it ends. The file names its holder ("process 4711 on node1").
class LedgerLock {
 public:
  /// Waits up to `patience` seconds: a holder whose launcher was killed needs a moment to end. Throws LedgerHeld that names
  /// the holder, InputError where the file cannot be made.
  LedgerLock(const std::filesystem::path& folder, double patience);
  ~LedgerLock();
  LedgerLock(LedgerLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  LedgerLock& operator=(LedgerLock&&) = delete;

  /// Whether some process holds it now.
  static bool held(const std::filesystem::path& folder);

 private:
  int file_ = -1;
};

}  // namespace palimpsest
