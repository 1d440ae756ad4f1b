#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <string>

#include "runtime/checkpoint.h"
#include "runtime/communicator.h"

namespace palimpsest {

/// Writes checkpoints beside training, a file from each rank. What is to be written changes only in an update: it is
/// copied while the next step's gradients are computed, so that training stands still only where that takes longer. A
/// thread of each rank writes, and the first rank seals the checkpoint once all have written. How far the ranks are
/// they tell each other in votes that ride along with every step. A checkpoint that cannot be written (a full disk) is
/// given up with a warning, and the one before it stays.
class CheckpointWriter {
 public:
  /// `warn` is told what went wrong, on the rank where it did. Removes what was left unfinished: a collective.
  CheckpointWriter(Communicator&, std::filesystem::path folder, Keep, std::function<void(const std::string&)> warn);
  ~CheckpointWriter();

  /// Every rank, at the same step, with nothing under way. `copy` takes what is to be written, before wait_for_copy()
  /// returns; `write` puts this rank's files into the folder it is given. Both are called in a thread.
  void begin(std::int64_t step, std::function<void()> copy, std::function<void(const std::filesystem::path&)> write);
  void wait_for_copy() const;                           // before what is copied changes
  bool idle() const { return stage_ == Stage::kIdle; }  // as far as this rank knows; the first knows best

  struct Votes {
    double written = 0, failed = 0;  // of this rank, or summed over the ranks: of the checkpoint under way
  };
  Votes votes() const;
  void settle(const Votes& sums);  // every rank, with the same sums
  /// Gives up the checkpoint of `step` where it is not yet sealed, for what is in it proved worthless: a collective.
  void give_up(std::int64_t step);
  /// Waits until the one under way is sealed or given up: a collective. Every rank then knows newest().
  void finish();

  std::int64_t newest() const { return newest_; }  // step of the newest whole one, 0: none
  void set_newest(std::int64_t step) { newest_ = step; }

 private:
  enum class Stage { kIdle, kWriting, kSealing };
  bool leads() const { return world_.rank() == 0; }
  bool done() const { return work_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  void seal_or_abandon(bool whole);
  void end_sealing();
  void warn_of_failure() const;

  Communicator& world_;
  const std::filesystem::path folder_;
  const Keep keep_;
  const std::function<void(const std::string&)> warn_;
  Stage stage_ = Stage::kIdle;
  std::int64_t step_ = 0, newest_ = 0;
  bool whole_ = false;  // the one that is sealed has all its files
  std::shared_future<void> copied_;
  std::shared_future<std::string> work_;  // of this rank's thread: what went wrong, or nothing
};

}  // namespace palimpsest
