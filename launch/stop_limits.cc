#include "launch/stop_limits.h"

#include <fmt/core.h>

#include "runtime/error.h"

namespace palimpsest {

void refuse_cost_without_price(const StopLimits& limits, double worker_hour) {
  if (limits.cost > 0 && worker_hour <= 0)
    throw InputError("--max-cost: no price is known. Write device_hour = 2.5 (what a worker costs for an hour) under [cost] in the definition.");
}

LimitWatch::LimitWatch(const StopLimits& limits, std::filesystem::path folder, double worker_hour, int workers, std::string currency)
    : limits_(limits), folder_(std::move(folder)), per_hour_(worker_hour * workers), currency_(std::move(currency)) {}

std::optional<std::string> LimitWatch::reached() {
  const auto now = Clock::now();
  if (now - looked_ < std::chrono::seconds(1)) return std::nullopt;
  looked_ = now;
  const double hours = std::chrono::duration<double, std::ratio<3600>>(now - began_).count();
  if (limits_.hours > 0 && hours >= limits_.hours) return fmt::format("stopped after {:g} hours (--max-hours)", limits_.hours);
  if (limits_.cost > 0 && hours * per_hour_ >= limits_.cost) return fmt::format("stopped at a cost of {:g} {} (--max-cost)", limits_.cost, currency_);
  std::error_code unknown;
  const auto space = std::filesystem::space(folder_, unknown);
  if (limits_.free_disk > 0 && !unknown && static_cast<double>(space.available) < 1e9 * limits_.free_disk)
    return fmt::format("stopped with {:.3g} GB free on the disk of {} (--min-free-disk {:g})", static_cast<double>(space.available) / 1e9, folder_.string(),
                       limits_.free_disk);
  return std::nullopt;
}

}  // namespace palimpsest
