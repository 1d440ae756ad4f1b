#include "sweeps/part_plot.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "runtime/random_stream.h"
#include "sweeps/claim_words.h"
#include "sweeps/html.h"

namespace palimpsest {
namespace {

constexpr double kWidth = 420, kSide = 8, kRow = 34, kAxis = 20;

/// Effects to horizontal places.
struct Scale {
  Interval span;
  double operator()(double value) const {
    const double place = kSide + (value - span.low) / (span.high - span.low) * (kWidth - 2 * kSide);
    return std::clamp(place, 0.0, kWidth);
  }
};

std::string box(const char* kind, double from, double to) {
  return fmt::format(R"(<rect class="{}" x="{:.1f}" y="0" width="{:.1f}" height="{:.0f}"/>)", kind, from,
                     std::max(0.0, to - from), kRow);
}

std::string line(const char* kind, double x1, double y1, double x2, double y2) {
  return fmt::format(R"(<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>)", kind, x1, y1, x2, y2);
}

/// Units lie a little above and below the line, the same unit always at the same height.
double height_of(std::int64_t unit) {
  return kRow / 2 + (RandomStream(static_cast<std::uint64_t>(unit)).uniform(0) - 0.5) * (kRow - 16);
}

std::string background(const PartResult& part, const Scale& x) {
  const bool greater = part.part.direction == Direction::kGreater;
  std::string out = greater ? box("claimed", x(0), kWidth) : box("claimed", 0, x(0));
  if (const double smallest = part.part.smallest_effect; smallest > 0)
    out += box("smallest", x(-smallest), x(smallest));
  return out + line("zero", x(0), 0, x(0), kRow);
}

std::string dots(const PartResult& part, const Scale& x) {
  std::string out;
  for (const auto& [unit, value] : part.units)
    out += fmt::format(R"(<circle class="unit" cx="{:.1f}" cy="{:.1f}" r="3"><title>{}: {}</title></circle>)", x(value),
                       height_of(unit), unit, number_words(value));
  return out;
}

std::string estimate(const PartResult& part, const Scale& x) {
  if (part.units.empty()) return {};
  const double middle = kRow / 2;
  std::string out;
  if (part.failed_runs > 0)
    out += line("worst", x(part.worst_case.low), middle + 9, x(part.worst_case.high), middle + 9);
  if (std::isfinite(part.interval.low)) {
    out += line("interval halo", x(part.interval.low), middle, x(part.interval.high), middle);
    out += line("interval", x(part.interval.low), middle, x(part.interval.high), middle);
  }
  return out + fmt::format(R"(<circle class="effect" cx="{:.1f}" cy="{:.1f}" r="5.5"/>)", x(part.effect), middle);
}

double nice_step(double width) {
  const double power = std::pow(10, std::floor(std::log10(width)));
  for (double step : {1.0, 2.0, 5.0})
    if (step * power >= width) return step * power;
  return 10 * power;
}

std::string axis(const Scale& x) {
  const double step = nice_step((x.span.high - x.span.low) / 5);
  std::string out = line("axis", 0, kRow, kWidth, kRow);
  for (double k = std::ceil(x.span.low / step); k * step <= x.span.high; ++k) {
    const double place = x(k * step);
    if (place < 14 || place > kWidth - 14) continue;
    out += line("axis", place, kRow, place, kRow + 4);
    out += fmt::format(R"(<text x="{:.1f}" y="{:.0f}">{}</text>)", place, kRow + 15,
                       number_words(k == 0 ? 0.0 : k * step));
  }
  return out;
}

void widen(Interval& span, double value) {
  if (std::isfinite(value)) span = {std::min(span.low, value), std::max(span.high, value)};
}

}  // namespace

Interval plot_span(const std::vector<const PartResult*>& parts) {
  Interval span;
  for (const PartResult* part : parts) {
    for (const auto& [unit, value] : part->units) widen(span, value);
    const double smallest = 1.15 * part->part.smallest_effect;
    for (double value : {part->interval.low, part->interval.high, -smallest, smallest}) widen(span, value);
    if (part->failed_runs > 0) widen(span, part->worst_case.low), widen(span, part->worst_case.high);
  }
  if (span.low == span.high) return {-1, 1};
  const double margin = 0.06 * (span.high - span.low);
  return {span.low - margin, span.high + margin};
}

std::string part_plot(const PartResult& part, Interval span, bool with_axis) {
  const Scale x{span};
  const std::string what =
      statistic_words(part.part) + ": " + number_words(part.effect) + " " + interval_words(part.interval);
  return fmt::format(R"(<svg class="plot" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">)", kWidth,
                     with_axis ? kRow + kAxis : kRow, escaped(what)) +
         background(part, x) + dots(part, x) + estimate(part, x) + (with_axis ? axis(x) : "") + "</svg>";
}

}  // namespace palimpsest
