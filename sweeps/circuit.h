#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/circuit.h"
#include "sweeps/circuit_input.h"
#include "sweeps/familiarity_images.h"
#include "sweeps/study.h"

namespace palimpsest {

/// Familiarity training of the recurrent circuit (Wang, Niu, Liang & Lee, PLoS Comput Biol 2025): a few images, noisy
/// and clean, are shown over and over to a circuit whose excitatory weights learn by BCM; what familiar and novel
/// images evoke is measured before and after each epoch.
extern const Study kCircuitStudy;

/// The keys of a run as the code reads them; parsed once.
struct CircuitStudyConfig {
  CircuitConfig circuit;
  CircuitInputConfig input;
  bool learned_bank = false;
  Plasticity plasticity;
  std::int64_t epochs = 5;
  double gain = 30, test_gain = 1;  // of the drive, in training and in tests
  double drive_noise = 0;           // of the drive, fresh each step of training
  double half_ms = 150, test_ms = 500, sample_ms = 10;
  double rate_fall = 10;  // by which the rate of learning falls within an epoch
  double ceiling = 1e3;   // of rates in tests; above it a run has failed
  bool noisy_pairs = true, supervised = true, shuffled = false;
  bool theta_on_familiar = false, theta_cubed = false;
  std::vector<std::int64_t> schedule;  // epochs that are measured
  bool unbiased = true;                // "manifold.unbiased"
  std::int64_t components = 0;         // principal ones in which the manifold is measured; 0: the rates as they are
  std::int64_t modes = 0;              // of the linearised circuit; 0: none

  std::int64_t steps(double ms) const;
};
CircuitStudyConfig parse_circuit(const Settings&);  // throws InputError for what cannot be
ImageNeeds circuit_images(const Settings&);
/// The images that filters are learned from (filters.bank = "learned"): of neither set, no more than are needed.
std::vector<std::int64_t> dictionary_images(const ImageSource&, const Settings&, std::int64_t image_set, std::int64_t image_sets);

KeyTable circuit_keys();
std::vector<MetricInfo> circuit_metric_list();
std::vector<FigureInfo> circuit_figures();

void run_circuit_pack(const std::vector<RunSpec>&, const PackContext&);

}  // namespace palimpsest
