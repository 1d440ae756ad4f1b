#include "models/weight_family.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/error.h"
#include "runtime/settings.h"

namespace palimpsest {

extern const WeightFamily kClipWeights, kVitMaeWeights, kVitWeights, kTimmWeights, kOpenAiClipWeights;

const std::vector<const WeightFamily*>& weight_families() {
  static const std::vector<const WeightFamily*> list = {&kClipWeights, &kVitMaeWeights, &kVitWeights, &kTimmWeights,
                                                        &kOpenAiClipWeights};
  return list;
}

const WeightFamily& weight_family(const std::string& name) {
  std::vector<std::string> names;
  for (const auto* family : weight_families()) {
    if (family->name == name) return *family;
    names.emplace_back(family->name);
  }
  const auto meant = nearest(name, names);
  throw InputError(fmt::format("there is no family of weights \"{}\". {}Families are {}.", name,
                               meant ? fmt::format("Did you mean {}? ", *meant) : "", fmt::join(names, ", ")));
}

namespace {

bool fits(const std::set<std::string>& keys, const std::vector<std::string>& sign, const std::string& prefix) {
  return std::ranges::all_of(sign, [&](const std::string& key) { return keys.contains(prefix + key); });
}

// What stands before the first key of a sign, wherever that ends a key of the file.
std::vector<std::string> prefixes_of(const std::set<std::string>& keys, const std::vector<std::string>& sign) {
  std::vector<std::string> out;
  for (const auto& key : keys) {
    if (!key.ends_with(sign.front())) continue;
    const auto prefix = key.substr(0, key.size() - sign.front().size());
    if ((prefix.empty() || prefix.back() == '.') && fits(keys, sign, prefix)) out.push_back(prefix);
  }
  return out;
}

}  // namespace

bool has_companion(const TensorMap& kept, const Companion& companion) {
  return std::ranges::any_of(kept, [&](const auto& tensor) { return tensor.first.starts_with(companion.prefix); });
}

std::vector<FoundFamily> families_of(const std::vector<std::string>& list) {
  const std::set<std::string> keys(list.begin(), list.end());
  std::vector<FoundFamily> found;
  for (const auto* family : weight_families()) {
    if (!family->sign_of_file.empty() && !keys.contains(family->sign_of_file)) continue;
    for (const auto& sign : family->signs)
      for (const auto& prefix : prefixes_of(keys, sign)) found.push_back({family, prefix});
  }
  return found;
}

std::string at_block(const std::string& pattern, std::int64_t block) {
  auto out = pattern;
  if (const auto at = out.find("{}"); at != std::string::npos) out.replace(at, 2, std::to_string(block));
  return out;
}

bool in_blocks(const std::string& pattern) { return pattern.find("{}") != std::string::npos; }

std::vector<WeightMap> weight_and_bias(const std::vector<std::string>& ours, const std::vector<std::string>& theirs,
                                       bool always) {
  const auto with = [](std::vector<std::string> names, const char* ending) {
    for (auto& name : names) name += ending;
    return names;
  };
  return {{with(ours, ".weight"), with(theirs, ".weight"), Layout::kSame, always},
          {with(ours, ".bias"), with(theirs, ".bias"), Layout::kSame, always}};
}

std::vector<WeightMap> joined(std::initializer_list<std::vector<WeightMap>> parts) {
  std::vector<WeightMap> out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

}  // namespace palimpsest
