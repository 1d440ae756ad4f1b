#include "launch/finding.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace palimpsest {
namespace {

const char* word(Grade grade) {
  switch (grade) {
    case Grade::kGood:
      return "ok";
    case Grade::kNote:
      return "note";
    case Grade::kStops:
      return "stops";
  }
  return "";
}

}  // namespace

bool stops(const std::vector<Finding>& findings) {
  return std::ranges::any_of(findings, [](const Finding& one) { return one.grade == Grade::kStops; });
}

std::string findings_text(const std::vector<Finding>& findings) {
  std::size_t width = 0;
  for (const Finding& one : findings) width = std::max(width, one.what.size());
  std::string text;
  for (const Finding& one : findings) {
    text += fmt::format("{:5}  {:{}}  {}", word(one.grade), one.what, width, one.found);
    if (!one.means.empty()) text += ": " + one.means;
    text += (one.advice.empty() ? "" : ". " + one.advice) + "\n";
  }
  return text;
}

std::string findings_json(const std::vector<Finding>& findings) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Finding& one : findings)
    list.push_back({{"what", one.what},
                    {"grade", word(one.grade)},
                    {"found", one.found},
                    {"means", one.means},
                    {"advice", one.advice}});
  const nlohmann::ordered_json json = {{"stops", stops(findings)}, {"findings", list}};
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace palimpsest
