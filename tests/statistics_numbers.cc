// Answers questions about numbers, for statistics_peer_test.py and tests/bench/statistics_peer.py: reads a JSON list of
// requests, writes a list of answers.
//   statistics_numbers < REQUESTS.json > ANSWERS.json

#include <ctime>
#include <iostream>
#include <map>

#include <nlohmann/json.hpp>

#include "sweeps/bootstrap.h"
#include "sweeps/random_effects.h"
#include "sweeps/trend.h"

namespace palimpsest {
namespace {

using Json = nlohmann::json;
using Numbers = std::vector<double>;

Numbers numbers(const Json& request) { return request.at("values").get<Numbers>(); }

Json pair_of(const Interval& interval) { return {interval.low, interval.high}; }

Json pairs_of(const std::vector<Interval>& intervals) {
  Json out = Json::array();
  for (const Interval& one : intervals) out.push_back(pair_of(one));
  return out;
}

std::vector<Interval> intervals(const Json& request) {
  const Resamples resamples(request.at("n"), request.at("resamples"), request.value("seed", std::uint64_t{0}));
  return bootstrap_means(numbers(request), resamples, request.at("confidence"));
}

Json bootstrap(const Json& request) {
  const std::clock_t begin = std::clock();
  const auto found = intervals(request);
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  return {{"intervals", pairs_of(found)}, {"cpu_seconds", seconds}};
}

Json drawn(const Json& request) {
  const Resamples resamples(request.at("n"), request.at("resamples"), request.value("seed", std::uint64_t{0}));
  Json rows = Json::array();
  for (std::size_t r = 0; r < resamples.count(); ++r) {
    Json row = Json::array();
    for (std::size_t unit = 0; unit < resamples.units(); ++unit) row.push_back(resamples.drawn(r, unit));
    rows.push_back(std::move(row));
  }
  return rows;
}

Json one_sample(const Json& request) {
  const Numbers x = numbers(request);
  return {{"mean", mean(x)},
          {"t", pair_of(t_interval(x, request.at("confidence")))},
          {"g", hedges_g(x)},
          {"sign_flip", sign_flip_p(x)},
          {"equivalence", equivalence_p(x, request.at("bound"))}};
}

Json adjusted(const Json& request) {
  return {{"holm", holm(numbers(request))}, {"benjamini_hochberg", benjamini_hochberg(numbers(request))}};
}

Json crossed(const Json& request) {
  const auto found = crossed_random_effects(numbers(request), request.at("levels").get<std::vector<std::size_t>>(),
                                            request.at("confidence"));
  return {{"mean", found.mean},
          {"standard_error", found.standard_error},
          {"degrees_of_freedom", found.degrees_of_freedom},
          {"interval", pair_of(found.interval)},
          {"p", found.p}};
}

Json trend(const Json& request) {
  const PageTrend page = page_trend(numbers(request), request.at("doses"));
  return {{"statistic", page.statistic}, {"p", page.p}};
}

Json answer(const Json& request) {
  static const std::map<std::string, Json (*)(const Json&)> known = {{"bootstrap", bootstrap},   {"drawn", drawn},
                                                                     {"one sample", one_sample}, {"adjusted", adjusted},
                                                                     {"crossed", crossed},       {"trend", trend}};
  return known.at(request.at("do"))(request);
}

}  // namespace
}  // namespace palimpsest

int main() {
  nlohmann::json answers = nlohmann::json::array();
  for (const auto& request : nlohmann::json::parse(std::cin)) answers.push_back(palimpsest::answer(request));
  std::cout << answers << "\n";
}
