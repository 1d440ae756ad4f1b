#include "sweeps/kept_networks.h"

#include <map>

#include "sweeps/familiarity.h"

namespace palimpsest {
namespace {

std::filesystem::path& results_folder() {
  static std::filesystem::path of_process;
  return of_process;
}

// A new study whose runs have a network adds its line.
const std::map<std::string, TrainAgain> kStudies = {{"familiarity", train_familiarity_again}};

}  // namespace

std::filesystem::path kept_file(const std::filesystem::path& results, Kept kept, const RunId& run) {
  return results / (kept == Kept::kTrained ? "trained" : "adapters") / (run + ".safetensors");
}

void keep_networks_in(const std::filesystem::path& results) { results_folder() = results; }

std::filesystem::path kept_file(Kept kept, const RunId& run) {
  return results_folder().empty() ? std::filesystem::path() : kept_file(results_folder(), kept, run);
}

TrainAgain find_train_again(const std::string& study) {
  const auto found = kStudies.find(study);
  return found == kStudies.end() ? nullptr : found->second;
}

}  // namespace palimpsest
