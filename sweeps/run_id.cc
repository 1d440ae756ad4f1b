#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>

#include <fmt/compile.h>

#include "runtime/durable_file.h"
#include "sweeps/plan.h"

namespace palimpsest {
namespace {

// Keys that came when there were results already: at its default such a key is left out, so that the runs that did without it are the same ones.
const std::set<std::string_view> kCameLater = {"training.precision"};

bool is_said(const Study& study, const std::string& key, const Value& value) {
  if (!tells_runs_apart(study, key)) return false;
  if (!kCameLater.contains(key)) return true;
  const auto declared = std::ranges::find(study.keys, key, &Key::name);
  return declared == study.keys.end() || declared->default_value != value;
}

}  // namespace

// What lies at a place is among the inputs: a folder may move, and one changed pixel makes another run.
bool tells_runs_apart(const Study& study, const std::string& key) { return key != "keep" && !names_a_place(study, key); }

// The text that is hashed, a line each; strings are quoted as in TOML, so no value can look like another line:
//   study "familiarity"
//   method 1
//   key fast.rank = 8          every key that is_said, sorted
//   seed 0
//   image_set 12
//   input slow.weights = 5e2b...   sorted
std::string id_text_of_keys(const Study& study, const Settings& settings) {
  std::string all = "study " + text(Value(study.name)) + "\nmethod " + std::to_string(study.method_version) + "\n";
  for (const auto& [key, value] : settings.values())
    if (is_said(study, key, value)) all += "key " + key + " = " + text(value) + "\n";
  return all;
}

std::string id_text_of_inputs(const Inputs& inputs) {
  std::string all;
  for (const auto& [name, hash] : inputs.hashes) all += "input " + name + " = " + hash + "\n";
  return all;
}

RunId run_id(const std::string& keys, std::int64_t seed, std::int64_t image_set, const std::string& inputs, std::string& text) {
  text.assign(keys);
  fmt::format_to(std::back_inserter(text), FMT_COMPILE("seed {}\nimage_set {}\n"), seed, image_set);
  return content_hash(text.append(inputs));
}

RunId run_id(const std::string& keys, std::int64_t seed, std::int64_t image_set, const std::string& inputs) {
  std::string text;
  return run_id(keys, seed, image_set, inputs, text);
}

RunId run_id(const Study& study, const Settings& settings, std::int64_t seed, std::int64_t image_set, const Inputs& inputs) {
  return run_id(id_text_of_keys(study, settings), seed, image_set, id_text_of_inputs(inputs));
}

}  // namespace palimpsest
