#include "sweeps/comparison_page.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "sweeps/claim_words.h"
#include "sweeps/html.h"
#include "sweeps/page_assets.h"

namespace palimpsest {
namespace {

constexpr double kWidth = 440, kHeight = 210, kLeft = 52, kRight = 12, kTop = 10, kBottom = 36;
constexpr std::array kColours = {"#0072b2", "#d98200"};

/// Places of a plot: noise levels along, changes up.
struct Frame {
  Interval x, y;
  double at_x(double value) const { return kLeft + (value - x.low) / (x.high - x.low) * (kWidth - kLeft - kRight); }
  double at_y(double value) const { return kTop + (y.high - value) / (y.high - y.low) * (kHeight - kTop - kBottom); }
};

void widen(Interval& span, double value) {
  if (std::isfinite(value)) span = {std::min(span.low, value), std::max(span.high, value)};
}

Frame frame_of(const ComparedStatistic& one) {
  Frame frame{{one.levels.front(), one.levels.back()}, {0, 0}};
  for (const auto* side : {&one.a, &one.b})
    for (const auto& unit : side->units)
      for (double value : unit) widen(frame.y, value);
  if (frame.x.high <= frame.x.low) frame.x.high = frame.x.low + 1;
  const double margin = std::max(0.05 * (frame.y.high - frame.y.low), 1e-6);
  frame.y = {frame.y.low - margin, frame.y.high + margin};
  return frame;
}

std::string line(double x1, double y1, double x2, double y2, const char* colour, double width) {
  return fmt::format(R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="{}" stroke-width="{}"/>)", x1, y1, x2, y2, colour, width);
}

std::string words_at(double x, double y, const char* anchor, const std::string& words) {
  return fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}" font-size="11" fill="#6a7079">{}</text>)", x, y, anchor, escaped(words));
}

std::string axes(const ComparedStatistic& one, const Frame& frame) {
  std::string out = line(kLeft, frame.at_y(0), kWidth - kRight, frame.at_y(0), "#9a9fa7", 1);
  for (double level : one.levels) out += words_at(frame.at_x(level), kHeight - 18, "middle", number_words(level));
  for (double value : {frame.y.low, 0.0, frame.y.high}) out += words_at(kLeft - 6, frame.at_y(value) + 4, "end", number_words(value));
  return out + words_at((kLeft + kWidth) / 2, kHeight - 3, "middle", "noise");
}

/// Units as points, a little to the side so that both sweeps can be seen, and the mean's course over the levels.
std::string course(const ComparedStatistic& one, const SweepChange& side, const Frame& frame, const char* colour, double aside) {
  std::string out, path;
  for (const auto& unit : side.units)
    for (std::size_t level = 0; level < unit.size(); ++level)
      if (std::isfinite(unit[level]))
        out += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="2" fill="{}" opacity="0.3"/>)", frame.at_x(one.levels[level]) + aside,
                           frame.at_y(unit[level]), colour);
  for (std::size_t level = 0; level < side.by_level.size(); ++level)
    path += fmt::format("{}{:.1f} {:.1f}", level ? " L" : "M", frame.at_x(one.levels[level]) + aside, frame.at_y(side.by_level[level]));
  return out + fmt::format(R"(<path d="{}" fill="none" stroke="{}" stroke-width="2.2"/>)", path, colour);
}

std::string plot(const ComparedStatistic& one) {
  const Frame frame = frame_of(one);
  return fmt::format(R"(<svg viewBox="0 0 {} {}" role="img" aria-label="{}" style="width:100%;max-width:{}px">)", kWidth, kHeight,
                     escaped(one.metric + ", " + one.images), kWidth) +
         axes(one, frame) + course(one, one.a, frame, kColours[0], -2) + course(one, one.b, frame, kColours[1], 2) + "</svg>";
}

const char* tone(Alike alike) {
  return alike == Alike::kSame ? "supported" : alike == Alike::kOpposite ? "contradicted" : "undecided";
}

std::string side_words(const SweepChange& side, const char* colour) {
  return fmt::format(R"(<p class="numbers"><span style="color:{}">&#9632;</span> {} <b>{}</b> <span class="ci">{}</span> <span class="small">epoch {} to {}, {} units</span></p>)",
                     colour, escaped(side.name), number_words(side.effect), interval_words(side.interval), escaped(side.from), escaped(side.to),
                     side.units.size());
}

std::string verdict_words(const ComparedStatistic& one) {
  std::string out = one.direction == Alike::kSame       ? "Both change in the same direction"
                    : one.direction == Alike::kOpposite ? "They change in opposite directions"
                                                        : "Whether they change alike is open: an interval holds zero";
  if (std::isfinite(one.ratio)) out += fmt::format("; the first by {} times the second", number_words(one.ratio));
  out += ".";
  if (one.rank_correlation)
    out += fmt::format(" Rank correlation over noise levels {} {}; their slopes {}.", number_words(*one.rank_correlation), interval_words(one.rank_interval),
                       one.slopes_agree ? "agree within their intervals" : "differ");
  return out;
}

std::string card(const ComparedStatistic& one) {
  const std::string head = fmt::format(R"(<article class="claim {0}"><div class="verdict"><span class="word">{1}</span></div><div class="what"><h3>{2}</h3>)"
                                       R"(<p class="question">{3}</p>)", tone(one.direction), word(one.direction), escaped(one.metric), escaped(one.images));
  if (!one.problem.empty()) return head + "<p class=\"why\">" + escaped(one.problem) + "</p></div></article>\n";
  return head + "<p class=\"why\">" + escaped(verdict_words(one)) + "</p>" + side_words(one.a, kColours[0]) + side_words(one.b, kColours[1]) +
         "</div><div class=\"evidence\">" + plot(one) + "</div></article>\n";
}

}  // namespace

std::string comparison_page(const std::vector<ComparedStatistic>& all) {
  std::string names = all.empty() ? "" : escaped(all.front().a.name) + " and " + escaped(all.front().b.name);
  std::string out = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
                    "<link rel=\"icon\" href=\"data:,\"><title>Two sweeps compared \u2013 Palimpsest</title><style>" + std::string(page_style()) +
                    "</style></head><body><header><p class=\"study\">Two sweeps compared</p><h1>" + names + "</h1>"
                    "<p class=\"facts\">log(last / first) over training at each noise level both have; points are units, lines their means.</p></header><main>"
                    "<section id=\"claims\">\n";
  for (const ComparedStatistic& one : all) out += card(one);
  return out + "</section></main></body></html>\n";
}

}  // namespace palimpsest
