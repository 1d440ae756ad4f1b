#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

namespace palimpsest {

/// What a command may use before it stops in order; 0: no limit. The same command goes on from there, with limits that begin anew.
struct StopLimits {
  double hours = 0;                  // since it began
  double cost = 0;                   // of all its workers since it began
  double free_disk = 0;              // GB that must stay free where it writes
};

/// Throws InputError where a cost is limited and the price of a worker for an hour is 0: before anything is begun.
void refuse_cost_without_price(const StopLimits&, double worker_hour);

class LimitWatch {
 public:
  /// `worker_hour`: the price of a worker for an hour.
  LimitWatch(const StopLimits&, std::filesystem::path folder, double worker_hour, int workers, std::string currency);
  /// Which limit is reached, in words; looks once a second.
  std::optional<std::string> reached();

 private:
  using Clock = std::chrono::steady_clock;
  const StopLimits limits_;
  const std::filesystem::path folder_;
  const double per_hour_;
  const std::string currency_;
  const Clock::time_point began_ = Clock::now();
  Clock::time_point looked_ = began_ - std::chrono::seconds(2);
};

}  // namespace palimpsest
