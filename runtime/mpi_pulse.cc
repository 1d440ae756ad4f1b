#include "runtime/mpi_pulse.h"

#include "runtime/silence.h"

namespace palimpsest {
namespace {

constexpr int kTag = 1;
constexpr std::chrono::milliseconds kBetweenLooks{100}, kBetweenBeats{1000}, kOwnAbsence{3000};

}  // namespace

MpiPulse::MpiPulse(MPI_Comm ranks, std::function<void(int)> give_up) : ranks_(ranks), give_up_(std::move(give_up)) {
  int rank = 0, size = 1;
  MPI_Comm_rank(ranks, &rank);
  MPI_Comm_size(ranks, &size);
  next_ = (rank + 1) % size;
  previous_ = (rank + size - 1) % size;
}

void MpiPulse::beat() {
  const auto now = Clock::now();
  if (now - looked_ < kBetweenLooks) return;
  if (now - looked_ > kOwnAbsence) heard_ = now;  // it is this rank that was away
  looked_ = now;
  if (now - sent_at_ >= kBetweenBeats) send(kAlive);
  listen();
  if (expected_ && now - heard_ > silence_limit()) give_up_(previous_);
}

void MpiPulse::farewell() {
  if (sent_ != MPI_REQUEST_NULL) MPI_Wait(&sent_, MPI_STATUS_IGNORE);
  send(kFarewell);
  MPI_Wait(&sent_, MPI_STATUS_IGNORE);
}

void MpiPulse::send(Beat beat) {
  int left = 1;
  if (sent_ != MPI_REQUEST_NULL) MPI_Test(&sent_, &left, MPI_STATUS_IGNORE);
  if (!left) return;
  outgoing_ = beat;
  MPI_Isend(&outgoing_, 1, MPI_INT, next_, kTag, ranks_, &sent_);
  sent_at_ = Clock::now();
}

void MpiPulse::listen() {
  int there = 0;
  while (MPI_Iprobe(previous_, kTag, ranks_, &there, MPI_STATUS_IGNORE), there) {
    int beat = kAlive;
    MPI_Recv(&beat, 1, MPI_INT, previous_, kTag, ranks_, MPI_STATUS_IGNORE);
    expected_ = beat == kAlive;
    heard_ = Clock::now();
  }
}

}  // namespace palimpsest
