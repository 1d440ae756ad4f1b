#include "runtime/checkpoint_writer.h"

#include <fmt/format.h>

#include "runtime/agree.h"

namespace palimpsest {
namespace {

std::string failure_of(const std::function<void()>& act) {
  try {
    act();
    return {};
  } catch (const std::exception& error) {
    return error.what();
  }
}

std::shared_future<std::string> in_a_thread(std::function<void()> act) {
  return std::async(std::launch::async, [act = std::move(act)] { return failure_of(act); }).share();
}

}  // namespace

CheckpointWriter::CheckpointWriter(Communicator& world, std::filesystem::path folder, Keep keep,
                                   std::function<void(const std::string&)> warn)
    : world_(world), folder_(std::move(folder)), keep_(keep), warn_(std::move(warn)) {
  agree(world_, [&] {
    if (leads()) remove_unfinished_checkpoints(folder_);
  });
}

CheckpointWriter::~CheckpointWriter() {
  wait_for_copy();
  if (work_.valid()) work_.wait();
}

void CheckpointWriter::begin(std::int64_t step, std::function<void()> copy,
                             std::function<void(const std::filesystem::path&)> write) {
  step_ = step;
  stage_ = Stage::kWriting;
  copied_ = std::async(std::launch::async, std::move(copy)).share();
  work_ = in_a_thread([folder = folder_, step, copied = copied_, write = std::move(write)] {
    copied.get();
    write(start_checkpoint(folder, step));
  });
}

void CheckpointWriter::wait_for_copy() const {
  if (copied_.valid()) copied_.wait();
}

CheckpointWriter::Votes CheckpointWriter::votes() const {
  if (stage_ != Stage::kWriting || !done()) return {};
  return {.written = 1, .failed = work_.get().empty() ? 0.0 : 1.0};
}

void CheckpointWriter::settle(const Votes& sums) {
  if (stage_ == Stage::kSealing && done()) end_sealing();
  if (stage_ == Stage::kWriting && sums.written == world_.world_size()) seal_or_abandon(sums.failed == 0);
}

// All have written; from here on it is the first rank's work.
void CheckpointWriter::seal_or_abandon(bool whole) {
  warn_of_failure();
  stage_ = leads() ? Stage::kSealing : Stage::kIdle;
  if (!leads()) return;
  whole_ = whole;
  work_ = in_a_thread([folder = folder_, step = step_, keep = keep_, whole] {
    try {
      if (whole) return void(seal_checkpoint(folder, step, keep));
    } catch (...) {
      abandon_checkpoint(folder, step);
      throw;
    }
    abandon_checkpoint(folder, step);
  });
}

void CheckpointWriter::end_sealing() {
  warn_of_failure();
  if (whole_ && work_.get().empty()) newest_ = step_;
  stage_ = Stage::kIdle;
}

void CheckpointWriter::warn_of_failure() const {
  if (!work_.get().empty())
    warn_(fmt::format("the checkpoint of step {} is given up, and training goes on. {}", step_, work_.get()));
}

void CheckpointWriter::give_up(std::int64_t step) {
  if (stage_ != Stage::kWriting || step_ != step) return;
  work_.wait();
  world_.barrier();
  if (leads()) abandon_checkpoint(folder_, step);
  stage_ = Stage::kIdle;
}

void CheckpointWriter::finish() {
  if (stage_ == Stage::kWriting) {
    work_.wait();
    const auto sums = sum_over_ranks(world_, {votes().written, votes().failed});
    settle({sums[0], sums[1]});
  }
  if (stage_ == Stage::kSealing) {
    work_.wait();
    end_sealing();
  }
  newest_ = static_cast<std::int64_t>(sum_over_ranks(world_, {leads() ? static_cast<double>(newest_) : 0.0})[0]);
}

}  // namespace palimpsest
