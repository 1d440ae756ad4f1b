#include "models/inspect_checkpoint.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "models/training_state.h"
#include "runtime/checkpoint.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/safetensors.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;

std::int64_t step_in(const fs::path& manifest) {
  if (!fs::exists(manifest)) return -1;
  const auto json = nlohmann::json::parse(read_file(manifest), nullptr, /*allow_exceptions=*/false);
  return json.is_object() && json.contains("step") && json["step"].is_number_integer() ? json["step"].get<std::int64_t>() : -1;
}

bool is_state(const fs::path& file) {
  const std::string name = file.filename();
  return name.starts_with("state-") && name.ends_with(".safetensors");
}

std::int64_t weights_in(const fs::path& file) {
  std::int64_t count = 0;
  const SafetensorsFile state(file);
  for (const auto& [name, entry] : state.tensors())
    if (name.starts_with("value.")) count += c10::multiply_integers(entry.shape);
  return count;
}

// Keys that were not left to the model's size.
std::vector<std::string> architecture_of(const std::string& definition) {
  std::vector<std::string> lines;
  std::istringstream all(definition);
  for (std::string line; std::getline(all, line);)
    if ((line.starts_with("model.") || line.starts_with("objective.")) && !line.ends_with(" = 0")) lines.push_back(line);
  return lines;
}

void describe(CheckpointFacts& facts) {
  for (const auto& entry : fs::directory_iterator(facts.folder)) {
    if (!is_state(entry.path())) continue;
    ++facts.ranks;
    facts.parameters += weights_in(entry.path());
  }
  if (facts.ranks == 0) return;
  const auto recorded = recorded_facts(facts.folder);
  if (const auto found = recorded.find("sharding"); found != recorded.end()) facts.sharding = found->second;
  if (const auto found = recorded.find("definition"); found != recorded.end())
    facts.definition = architecture_of(found->second);
}

}  // namespace

CheckpointFacts inspect_checkpoint(const fs::path& folder) {
  CheckpointFacts facts;
  facts.folder = folder;
  facts.flaw = checkpoint_flaw(folder);
  try {
    facts.step = step_in(folder / "manifest.json");
    describe(facts);
  } catch (const InputError& error) {  // a file that is cut off
    if (facts.flaw.empty()) facts.flaw = error.what();
  }
  return facts;
}

}  // namespace palimpsest
