#include "sweeps/study.h"

namespace palimpsest {

// The list of studies: a new one adds its line here.
std::vector<const Study*> all_studies() { return {}; }

const Study* find_study(const std::string& name) {
  for (const Study* study : all_studies())
    if (study->name == name) return study;
  return nullptr;
}

}  // namespace palimpsest
