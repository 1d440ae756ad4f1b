#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

namespace palimpsest {

// Copies of a ledger in a folder that outlives this machine: a mounted bucket, a network disk. A copy is a file of its own, `ledger-N.sqlite`, written
// once from its beginning to its end (buckets know no more than that), and the two newest are kept, so that one which was cut off harms nobody.

/// Copies the ledger of `results` as it is now, also while it is being written (SQLite's backup). Throws Interrupted where the folder cannot be written to.
void back_up_ledger(const std::filesystem::path& results, const std::filesystem::path& backup);

/// Where `results` has no ledger and `backup` has a sound copy, puts the newest there. Whether it did.
bool take_up_backup(const std::filesystem::path& results, const std::filesystem::path& backup);

/// Backs up in a thread of its own, every `interval` and at the end. A copy that fails is told of once, and tried again.
class LedgerBackup {
 public:
  LedgerBackup(std::filesystem::path results, std::filesystem::path backup, std::chrono::milliseconds interval);
  ~LedgerBackup();
  LedgerBackup(const LedgerBackup&) = delete;
  LedgerBackup& operator=(const LedgerBackup&) = delete;

 private:
  void work();
  void copy();

  const std::filesystem::path results_, backup_;
  const std::chrono::milliseconds interval_;
  std::string told_;
  std::mutex mutex_;
  std::condition_variable left_;
  bool leaving_ = false;   // protected by mutex_
  std::thread thread_;
};

}  // namespace palimpsest
