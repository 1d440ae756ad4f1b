#include "runtime/words.h"

#include <nlohmann/json.hpp>

namespace palimpsest {

std::string counted(std::int64_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& word : words)
    if (!word.empty()) (out += out.empty() ? "" : between) += word;
  return out;
}

std::string listed(const std::vector<std::string>& words) {
  if (words.size() < 2) return joined(words);
  return joined({words.begin(), words.end() - 1}) + " and " + words.back();
}

std::string without_full_stop(std::string sentence) {
  if (sentence.ends_with('.')) sentence.pop_back();
  return sentence;
}

std::string in_quotes(std::string_view text) { return nlohmann::json(text).dump(); }

}  // namespace palimpsest
