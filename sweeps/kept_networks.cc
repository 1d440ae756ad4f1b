#include "sweeps/kept_networks.h"

#include <map>

#include "sweeps/familiarity.h"

namespace palimpsest {
namespace {

std::filesystem::path& folder() {
  static std::filesystem::path of_process;
  return of_process;
}

// A new study whose runs have a network adds its line.
const std::map<std::string, TrainAgain> kStudies = {{"familiarity", train_familiarity_again}};

}  // namespace

void keep_networks_in(const std::filesystem::path& kept) { folder() = kept; }

std::filesystem::path kept_network_of(const RunId& run) {
  return folder().empty() ? std::filesystem::path() : folder() / (run + ".safetensors");
}

TrainAgain find_train_again(const std::string& study) {
  const auto found = kStudies.find(study);
  return found == kStudies.end() ? nullptr : found->second;
}

}  // namespace palimpsest
