#include "models/run_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace palimpsest {
namespace {

// When checkpoints are written changes no number, and of a path the images count that lie there.
constexpr std::array kOfNoConsequence = {"training.checkpoint_minutes", "training.checkpoint_steps", "training.keep_checkpoints", "images.path", "training.loader_threads", "training.events_every",
                                         "validation.path"};

std::string line(const std::string& key, const Value& value) { return fmt::format("{} = {}\n", key, text(value)); }

std::string first_differing_line(const std::string& then, const std::string& now) {
  const auto [a, b] = std::ranges::mismatch(then, now);
  const auto around = [](const std::string& text, auto place) {
    const auto at = static_cast<std::size_t>(place - text.begin());
    const auto begin = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
    return text.substr(begin, text.find('\n', begin) - begin);
  };
  return fmt::format("\"{}\" there, \"{}\" here", around(then, a), around(now, b));
}

}  // namespace

std::string definition_text(const Settings& settings) {
  std::string out;
  for (const auto& [key, value] : settings.values()) out += line(key, value);
  return out;
}

RunFacts run_facts(const Settings& settings, const PretrainingImages& images) {
  std::string definition;
  for (const auto& [key, value] : settings.values())
    if (std::ranges::find(kOfNoConsequence, key) == kOfNoConsequence.end()) definition += line(key, value);
  return {{"definition", definition}, {"training images", images.training->hash()}, {"validation images", images.validation.hash()}};
}

std::string difference(const RunFacts& then, const RunFacts& now) {
  for (const auto& [fact, value] : now) {
    const auto found = then.find(fact);
    if (found == then.end()) return fact + " that were not recorded";
    if (found->second == value) continue;
    return fact == "definition" ? "settings: " + first_differing_line(found->second, value) : fact;
  }
  return {};
}

}  // namespace palimpsest
