#include "models/run_facts.h"

#include <ATen/Version.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace palimpsest {
namespace {

// When checkpoints are written changes no number, of a path the images count that lie there, and who computes what, where, changes at most the
// rounding, as the number of ranks does.
constexpr std::array kOfNoConsequence = {"training.checkpoint_minutes", "training.checkpoint_steps", "training.keep_checkpoints", "training.keep_every",
                                         "training.accumulate", "training.recompute", "sharding.strategy", "sharding.group", "training.loader_threads", "training.events_every",
                                         "images.path", "validation.path"};

constexpr const char* kDevice = "device";
std::string kind_of(at::Device device) { return device.is_cpu() ? "CPU" : "GPU"; }

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

std::string definition_of_consequence(const Settings& settings) {
  std::string definition;
  for (const auto& [key, value] : settings.values())
    if (std::ranges::find(kOfNoConsequence, key) == kOfNoConsequence.end()) definition += line(key, value);
  return definition;
}

// "TORCH_VERSION=2.11.0" of the library that runs, which need not be the one it was built with.
std::string version_of_libtorch() {
  const std::string config = at::show_config();
  const auto begin = config.find("TORCH_VERSION=");
  return begin == std::string::npos ? "unknown" : config.substr(begin, config.find(',', begin) - begin);
}

}  // namespace

std::string definition_text(const Settings& settings) {
  std::string out;
  for (const auto& [key, value] : settings.values()) out += line(key, value);
  return out;
}

RunFacts run_facts(const Settings& settings, const PretrainingImages& images) {
  return {{"definition", definition_of_consequence(settings)}, {"training images", images.training->hash()}, {"validation images", images.validation.hash()}};
}

std::vector<std::pair<std::string, std::string>> facts_to_agree_on(const Settings& settings, const std::string& build) {
  const auto how = [&](const char* key) { return line(key, settings.at(key)); };
  return {{"definition", definition_of_consequence(settings) + how("sharding.strategy") + how("sharding.group") + how("training.accumulate") + how("training.recompute")},
          {"version of palimpsest", PALIMPSEST_VERSION},
          {"build of palimpsest", build},
          {"version of LibTorch", version_of_libtorch()}};
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

RunFacts with_device(RunFacts facts, at::Device device) {
  facts[kDevice] = kind_of(device);
  return facts;
}

RunFacts with_sharding(RunFacts facts, const Settings& settings) {
  facts["sharding"] = settings.string("sharding.strategy") + (settings.string("sharding.group") == "node" ? " within a node" : "");
  return facts;
}

std::string change_of_device(const RunFacts& then, at::Device now) {
  const auto found = then.find(kDevice);
  if (found == then.end() || found->second == kind_of(now)) return {};
  return fmt::format("was trained on a {} and goes on on a {}: its numbers differ in the last places from those it would have had there", found->second, kind_of(now));
}

}  // namespace palimpsest
