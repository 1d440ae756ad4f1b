#pragma once

// The recurrent circuit of the familiarity effect (Wang, Niu, Liang & Lee, PLoS Comput Biol 2025): hypercolumns on a
// grid, each with K excitatory and K inhibitory neurons; neighbouring excitatory neurons excite each other through
// plastic weights.
//
//   u_e <- max(0, u_e + dt / tau_e (-u_e + W_ee r_e - mean r_i + I))      r = f(u), f(u) = beta max(u - theta0, 0)^p
//   u_i <- max(0, u_i + dt / tau_i (-u_i + W_ie r_e))
//
// Neurons lie position-major, [rows, columns, features], so that what a neuron sees in a row of its window is one piece
// of memory. W_ee is stored as neighbourhoods, cut at the border. A run shares nothing with others, so a pack of
// circuits is computed one after the other, each in the cache by itself: a run's bits cannot depend on its pack.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace palimpsest {

/// What reaches excitatory neurons from others; false: cut.
struct Pathways {
  bool excitation = true, inhibition = true;
  bool operator==(const Pathways&) const = default;
};

struct CircuitConfig {
  std::int64_t rows = 8, columns = 8, features = 64;
  std::int64_t excitatory_radius = 2;       // of the window a neuron's excitation comes from, all features
  std::int64_t inhibitory_radius = 2;       // of the window an inhibitory neuron sees, same feature
  double tau_e = 20, tau_i = 10, step = 1;  // ms
  double beta = 1, threshold = 0;
  int exponent = 2;                           // of the rate function: 1 or 2
  double row_sum = 5;                         // of the excitation of one neuron
  double bound = 25;                          // of a weight, over the inputs of a whole window
  double inhibitory_weight = 30;              // over 9 + K - 1
  Pathways in_training = {}, in_tests = {};   // of present(); of respond()
  double saturation = 0;                      // of excitatory rates in present(); 0: none

  std::int64_t positions() const { return rows * columns; }
  std::int64_t neurons() const { return positions() * features; }
  bool operator==(const CircuitConfig&) const = default;
};

enum class PlasticityRule { kBcm, kHebb, kOja, kAntiHebb, kFrozen };

/// dw_kl/dt = rate / tau_w r_l h(r_k): BCM h = r_k (r_k - theta_k) / theta_k; Hebb h = r_k; Oja the same, less r_k^2
/// w_kl; anti-Hebb h = -r_k. theta_k follows r_k^2 with tau_theta.
struct Plasticity {
  PlasticityRule rule = PlasticityRule::kBcm;
  double tau_w = 2e9, tau_theta = 1e7;  // ms
};

/// What is shown to a circuit for some time.
struct Stimulus {
  std::span<const float> drive;  // I, one a neuron
  std::int64_t steps = 0;
  // Laid over the drive at each step where given: (step, out) fills `out` with the drive of that step.
  std::function<void(std::int64_t, std::span<float>)> noisy_drive = {};
};

/// What some stimuli evoke in a circuit at rest, without learning.
struct CircuitResponses {
  std::vector<float> steady;        // [stimuli, neurons]: mean rates of the last two samples
  std::vector<double> course;       // [samples]: mean rate over neurons and stimuli
  std::vector<double> mean_square;  // [neurons]: mean of r^2 over samples and stimuli
  std::vector<double> mean_cube;    // [neurons]
  float largest = 0;                // rate at any sample; infinite or NaN where the circuit ran away
};

class Circuit {
 public:
  explicit Circuit(const CircuitConfig&);

  const CircuitConfig& config() const { return config_; }

  /// W_ee [neurons, inputs...]: the weights onto each neuron, rows of its window one after the other. For inspection.
  std::vector<float> weights_onto(std::int64_t neuron) const;
  /// The neurons they come from.
  std::vector<std::int64_t> inputs_of(std::int64_t neuron) const;

  std::span<const float> rates() const { return now_.r_e; }
  std::vector<double>& threshold() { return theta_; }  // theta_k of the sliding threshold
  const std::vector<double>& threshold() const { return theta_; }

  /// All that lasts from one presentation to the next, with the thresholds: the plastic weights, in the order in which they are stored.
  std::span<float> weights() { return weights_; }

  /// Every neuron's weights to the row sum, within the bound; then rest, u = 0: how a presentation begins.
  void begin();
  void rest() { now_.rest(); }
  /// Steps through a stimulus from where the last one ended, learning at `rate` (eta). Returns the largest rate.
  float present(const Stimulus&, const Plasticity&, double rate);

  /// Each of `drives` [stimuli, neurons] for `steps`, from rest; sampled every `every` steps, at least twice.
  CircuitResponses respond(std::span<const float> drives, std::int64_t steps, std::int64_t every) const;

 private:
  struct Window {
    std::int64_t first_row, first_column, rows, columns;  // of positions
    std::int64_t first_neuron, inputs, offset;            // of the whole window; of its position's block in weights_
  };
  // What the neurons do for some stimuli side by side, all [neurons, columns].
  struct Activity {
    Activity(std::int64_t neurons, std::int64_t columns);
    void rest();
    std::int64_t columns;
    std::vector<float> u_e, r_e, u_i, r_i, sums, to_inhibition, scratch, mean_inhibition;
    std::vector<std::int32_t> active;  // neurons that fire for any of the stimuli
  };

  void find_windows();
  float largest_weight() const;
  std::vector<float> transposed() const;
  // A step of the equations in three parts: what comes from outside and from inhibition; from excitation (learning, or
  // for many stimuli at once); and the new potentials.
  void drive(Activity&, const float* drive, const Pathways&) const;
  void learn(const Plasticity&, double rate);
  void excite(const Plasticity&);
  void excite_side_by_side(Activity&, const std::vector<float>& weights_onto) const;
  void relax(Activity&) const;
  void inhibitory_input(Activity&) const;

  CircuitConfig config_;
  std::vector<Window> windows_;  // one a position
  std::vector<float> weights_;   // [position][feature][window]: from one neuron to all of its window
  std::vector<double> theta_;
  Activity now_;                    // of the stimulus that is presented
  std::vector<float> gain_, keep_;  // of learning, one a neuron
};

}  // namespace palimpsest
