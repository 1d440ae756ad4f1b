#include "sweeps/caveats.h"

#include <algorithm>

#include "runtime/words.h"
#include "sweeps/condition.h"

namespace palimpsest {
namespace {

bool is_here(const std::vector<Slice>& slices, const Slice& slice) { return std::ranges::find(slices, slice) != slices.end(); }

/// "slices 2, 3", "slice 2"
std::string slice_words(const std::vector<std::string>& numbers) { return (numbers.size() == 1 ? "slice " : "slices ") + joined(numbers); }

std::string of_slices(const std::vector<Slice>& slices) {
  const std::int64_t of = slices.front().of;
  if (is_here(slices, {})) return {};
  std::vector<std::string> here, missing;
  for (std::int64_t number = 1; number <= of; ++number) (is_here(slices, {number, of}) ? here : missing).push_back(std::to_string(number));
  if (missing.empty()) return {};
  return (here.size() == 1 ? "This is " : "These are ") + slice_words(here) + " of " + std::to_string(of) + "; " + slice_words(missing) + (missing.size() == 1 ? " is" : " are") +
         " missing. Name the folders of all slices to have the whole sweep.";
}

std::string of_units(const Rows& rows) {
  if (rows.replication || rows.units_asked.size() < 2) return {};
  std::vector<std::string> numbers;
  for (const std::int64_t units : rows.units_asked) numbers.push_back(std::to_string(units));
  const std::int64_t first = rows.units_asked.front(), last = rows.units_asked.back();
  const std::string how = last > first ? "Grown" : last < first ? "Cut" : "Changed";
  return how + " from " + joined(numbers, " to ") + " " + plain_key(rows.unit) +
         "s after results: intervals and p are those of a number that was fixed before. With [replicate] growth is planned, and they hold.";
}

std::string of_claims(const std::vector<LedgerClaim>& claims) {
  const auto withdrawn = std::ranges::count_if(claims, &LedgerClaim::withdrawn);
  if (withdrawn == 0) return {};
  return counted(withdrawn, "claim") + (withdrawn == 1 ? " was" : " were") + " withdrawn after results: listed, and counted in the correction.";
}

}  // namespace

std::vector<std::string> caveats(const Rows& rows) {
  std::vector<std::string> out = {of_slices(rows.slices), of_units(rows), of_claims(rows.claims)};
  std::erase(out, "");
  return out;
}

}  // namespace palimpsest
