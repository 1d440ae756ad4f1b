#pragma once

#include <mpi.h>

#include <chrono>
#include <functional>

namespace palimpsest {

/// Signs of life in a ring: each rank sends one a second to the next, and misses those of the one before. A process
/// that was stopped, or whose network is cut, is thereby told from one that computes for long.
class MpiPulse {
 public:
  using Clock = std::chrono::steady_clock;

  /// `give_up(rank)` ends the world.
  MpiPulse(MPI_Comm ranks, std::function<void(int rank)> give_up);
  void beat();  // at least once a second; costs nothing oftener
  void farewell();

 private:
  enum Beat { kFarewell, kAlive };
  void send(Beat);
  void listen();

  const MPI_Comm ranks_;
  const std::function<void(int)> give_up_;
  int next_ = 0, previous_ = 0;
  MPI_Request sent_ = MPI_REQUEST_NULL;
  int outgoing_ = kAlive;
  bool expected_ = false;  // the rank before has shown signs, and not taken leave
  Clock::time_point looked_{}, sent_at_{}, heard_{};
};

}  // namespace palimpsest
