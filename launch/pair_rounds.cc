#include "launch/pair_rounds.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "runtime/words.h"

namespace palimpsest {
namespace {

constexpr int kMostRounds = 255;
constexpr std::size_t kShown = 4;   // so that a large cluster stays on one screen

int made_even(int count) { return count + count % 2; }

std::string some_of(std::vector<std::string> words, const char* between) {
  if (words.size() <= kShown) return joined(words, between);
  const std::string rest = fmt::format("and {} more", words.size() - kShown);
  words.resize(kShown);
  words.push_back(rest);
  return joined(words, between);
}

// Pairs by the host that is in most of them: a host behind a firewall is one thing that is wrong, not one for each peer.
std::map<int, std::vector<int>> by_host(std::vector<Pair> parted) {
  std::map<int, std::vector<int>> hosts;
  while (!parted.empty()) {
    std::map<int, int> times;
    for (const auto& [a, b] : parted) ++times[a], ++times[b];
    const int worst = std::ranges::max_element(times, {}, [](const auto& one) { return one.second; })->first;
    for (const auto& [a, b] : parted)
      if (a == worst || b == worst) hosts[worst].push_back(a == worst ? b : a);
    std::erase_if(parted, [&](const Pair& one) { return one.first == worst || one.second == worst; });
  }
  return hosts;
}

}  // namespace

std::vector<FirstRank> first_ranks(const std::vector<Host>& hosts, int ranks) {
  if (ranks > slots_of(hosts)) return {};
  std::vector<FirstRank> first;
  int next = 0;
  for (const Host& host : hosts) {
    if (next >= ranks) break;
    if (host.slots > 0) first.push_back({next, host.name});
    next += host.slots;
  }
  return first;
}

std::string encode(const std::vector<FirstRank>& first) {
  std::vector<std::string> words;
  for (const FirstRank& one : first) words.push_back(fmt::format("{} {}", one.rank, one.host));
  return joined(words, " ");
}

std::vector<FirstRank> first_ranks_in(const std::string& text) {
  std::istringstream in(text);
  std::vector<FirstRank> first;
  for (FirstRank one; in >> one.rank >> one.host;) first.push_back(one);
  return first;
}

int rounds_among(int count) { return count < 2 ? 0 : std::min(kMostRounds, made_even(count) - 1); }

// One stays, the others move round it.
std::optional<int> partner_in(int round, int me, int count) {
  const int last = made_even(count) - 1;   // the one that stays; of an odd number it is nobody
  const int partner = me == last ? round * (last + 1) / 2 % last : (round - me + last) % last;
  const int met = me != last && partner == me ? last : partner;
  if (met >= count) return std::nullopt;
  return met;
}

std::string parted_text(const std::vector<Pair>& parted, const std::vector<FirstRank>& hosts, int seconds) {
  if (parted.empty()) return {};
  const auto name = [&](int place) { return hosts[static_cast<std::size_t>(place)].host; };
  std::vector<std::string> where;
  for (const auto& [host, others] : by_host(parted)) {
    std::vector<std::string> names;
    for (int other : others) names.push_back(name(other));
    where.push_back(fmt::format("{} and {}", name(host), some_of(names, ", ")));
  }
  return fmt::format(
      "MPI got nothing through within {} s between {}. It may have taken a network that does not join them, or a firewall stands between: "
      "name one that does (launch --network 10.0.0.0/24), or open all TCP ports among the hosts.",
      seconds, some_of(where, "; "));
}

}  // namespace palimpsest
