#include "sweeps/study.h"

namespace palimpsest {
namespace {

std::vector<const Study*>& list() {
  static std::vector<const Study*> studies = {&kPlantedStudy};
  return studies;
}

}  // namespace

const std::vector<const Study*>& all_studies() { return list(); }

void add_study(const Study& study) {
  if (!find_study(study.name)) list().push_back(&study);
}

const Study* find_study(const std::string& name) {
  for (const Study* study : all_studies())
    if (study->name == name) return study;
  return nullptr;
}

}  // namespace palimpsest
