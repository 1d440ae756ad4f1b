#include "sweeps/circuit.h"
#include "sweeps/familiarity.h"

namespace palimpsest {

// The studies that compute with LibTorch: a new one adds its line here, as add_study(its_study()).
void add_network_studies() {
  add_study(familiarity_study());
  add_study(kCircuitStudy);
}

}  // namespace palimpsest
