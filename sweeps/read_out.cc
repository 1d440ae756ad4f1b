#include "sweeps/read_out.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/key_error.h"

namespace palimpsest {
namespace {

constexpr std::array<const char*, 4> kTokens = {"cls", "mean", "figure", "ground"};

}  // namespace

const std::vector<std::string>& read_out_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out(kTokens.begin(), kTokens.end());
    for (const char* tokens : kTokens) out.push_back(std::string(tokens) + "_input");
    return out;
  }();
  return names;
}

ReadOut find_read_out(const std::string& name) {
  const auto& names = read_out_names();
  const auto place = static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
  if (place == names.size())
    throw KeyError("evaluation.readouts", fmt::format("evaluation.readouts: there is no read-out \"{}\". They are {}.", name, fmt::join(names, ", ")));
  return {static_cast<ReadOut::Tokens>(place % kTokens.size()), place >= kTokens.size()};
}

}  // namespace palimpsest
