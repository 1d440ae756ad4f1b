#include "models/circuit.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernels.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kStimuliAtOnce = 32;
constexpr double kLeastThreshold = 1e-6;

std::int64_t rounded_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

// A NaN stays one: it is larger than any number.
float larger(float a, float b) { return b <= a || std::isnan(a) ? a : b; }

void saturate(std::vector<float>& rates, float most) {
  for (float& r : rates) r = r > most ? most : r;  // a NaN stays one
}

float largest_of(const std::vector<float>& rates) {
  float largest = 0;
  for (const float r : rates) largest = larger(largest, r);
  return largest;
}

}  // namespace

Circuit::Activity::Activity(std::int64_t neurons, std::int64_t columns)
    : columns(columns), mean_inhibition(columns), active(neurons + 1) {
  for (auto* state : {&u_e, &r_e, &u_i, &r_i, &sums, &to_inhibition, &scratch}) state->assign(neurons * columns, 0.0f);
}

void Circuit::Activity::rest() {
  for (auto* state : {&u_e, &r_e, &u_i, &r_i}) std::ranges::fill(*state, 0.0f);
}

Circuit::Circuit(const CircuitConfig& config)
    : config_(config), theta_(config.neurons(), kLeastThreshold), now_(config.neurons(), 1), gain_(config.neurons()) {
  find_windows();
  begin();
}

void Circuit::find_windows() {
  const auto radius = config_.excitatory_radius;
  std::int64_t offset = 0;
  for (std::int64_t row = 0; row < config_.rows; ++row)
    for (std::int64_t column = 0; column < config_.columns; ++column) {
      Window w{};
      w.first_row = std::max<std::int64_t>(0, row - radius);
      w.first_column = std::max<std::int64_t>(0, column - radius);
      w.rows = std::min(config_.rows, row + radius + 1) - w.first_row;
      w.columns = std::min(config_.columns, column + radius + 1) - w.first_column;
      w.first_neuron = (w.first_row * config_.columns + w.first_column) * config_.features;
      w.inputs = w.rows * w.columns * config_.features;
      w.offset = offset;
      offset += config_.features * w.inputs;
      windows_.push_back(w);
    }
  weights_.assign(offset, 1.0f);
}

float Circuit::largest_weight() const {
  const auto side = 2 * config_.excitatory_radius + 1;
  return static_cast<float>(config_.bound / static_cast<double>(side * side * config_.features));
}

std::vector<std::int64_t> Circuit::inputs_of(std::int64_t neuron) const {
  const auto& w = windows_[neuron / config_.features];
  std::vector<std::int64_t> out;
  for (std::int64_t row = 0; row < w.rows; ++row)
    for (std::int64_t i = 0; i < w.columns * config_.features; ++i)
      out.push_back(w.first_neuron + row * config_.columns * config_.features + i);
  return out;
}

std::vector<float> Circuit::weights_onto(std::int64_t neuron) const {
  const auto position = neuron / config_.features;
  const auto all = transposed();
  const auto* begin = all.data() + windows_[position].offset + neuron % config_.features * windows_[position].inputs;
  return {begin, begin + windows_[position].inputs};
}

// From each neuron to its window -> onto each neuron from its window.
std::vector<float> Circuit::transposed() const {
  const auto K = config_.features;
  std::vector<float> out(weights_.size());
  for (std::int64_t to = 0; to < config_.positions(); ++to) {
    const auto& w = windows_[to];
    std::int64_t slot = 0;  // of the window of `to`
    for (std::int64_t row = w.first_row; row < w.first_row + w.rows; ++row)
      for (std::int64_t column = w.first_column; column < w.first_column + w.columns; ++column) {
        const auto& source = windows_[row * config_.columns + column];
        const auto back =
            ((to / config_.columns - source.first_row) * source.columns + to % config_.columns - source.first_column) *
            K;
        for (std::int64_t k = 0; k < K; ++k, ++slot) {
          const float* from = weights_.data() + source.offset + k * source.inputs + back;
          for (std::int64_t f = 0; f < K; ++f) out[w.offset + f * w.inputs + slot] = from[f];
        }
      }
  }
  return out;
}

// The clipping after the first step of a presentation is done at once: rates are zero until then.
void Circuit::begin() {
  rest();
  const auto K = config_.features, pitch = config_.columns * K;
  auto& sums = now_.sums;
  std::ranges::fill(sums, 0.0f);
  const auto each_neuron = [&](const auto& act) {
    for (const auto& w : windows_)
      for (std::int64_t k = 0; k < K; ++k) act(w, weights_.data() + w.offset + k * w.inputs);
  };
  each_neuron([&](const Window& w, float* weights) {
    kernels().spread(weights, 1.0f, sums.data() + w.first_neuron, w.rows, w.columns * K, pitch);
  });
  for (float& sum : sums) sum = sum > 0 ? static_cast<float>(config_.row_sum) / sum : 1.0f;
  const float bound = largest_weight();
  each_neuron([&](const Window& w, float* weights) {
    for (std::int64_t row = 0; row < w.rows; ++row)
      for (std::int64_t i = 0; i < w.columns * K; ++i, ++weights) {
        const float scaled = *weights * sums[w.first_neuron + row * pitch + i];
        *weights = scaled > bound ? bound : scaled;  // a NaN stays one
      }
  });
}

void Circuit::drive(Activity& a, const float* drive, const Pathways& open) const {
  if (open.inhibition) kernels().column_means(a.r_i.data(), a.mean_inhibition.data(), config_.neurons(), a.columns);
  kernels().less_columns(drive, a.mean_inhibition.data(), a.sums.data(), config_.neurons(), a.columns);
}

// Sets what the weights gain and keep in this step, and lets the threshold slide.
void Circuit::learn(const Plasticity& plasticity, double rate) {
  const double scale = config_.step * rate / plasticity.tau_w;
  for (std::size_t k = 0; k < gain_.size(); ++k) {
    const double r = now_.r_e[k], theta = std::max(theta_[k], kLeastThreshold);
    switch (plasticity.rule) {
      case PlasticityRule::kBcm:
        gain_[k] = static_cast<float>(scale * r * (r - theta) / theta);
        break;
      case PlasticityRule::kHebb:
        gain_[k] = static_cast<float>(scale * r);
        break;
      case PlasticityRule::kAntiHebb:
        gain_[k] = static_cast<float>(-scale * r);
        break;
      case PlasticityRule::kOja:
        gain_[k] = static_cast<float>(scale * r);
        keep_[k] = static_cast<float>(1 - scale * r * r);
        break;
      case PlasticityRule::kFrozen:
        break;
    }
    theta_[k] += config_.step / plasticity.tau_theta * (r * r - theta_[k]);
  }
}

// Only neurons that fire give anything, and only their weights learn; but by Oja's rule all weights decay.
void Circuit::excite(const Plasticity& plasticity) {
  const auto K = config_.features, pitch = config_.columns * K;
  const float bound = largest_weight();
  auto& a = now_;
  auto active = kernels().active_rows(a.r_e.data(), config_.neurons(), 1, a.active.data());
  if (plasticity.rule == PlasticityRule::kOja)
    for (active = 0; active < config_.neurons(); ++active) a.active[active] = static_cast<std::int32_t>(active);
  for (std::int64_t i = 0; i < active; ++i) {
    const std::int64_t neuron = a.active[i];
    const auto& w = windows_[neuron / K];
    float* weights = weights_.data() + w.offset + neuron % K * w.inputs;
    float* sums = a.sums.data() + w.first_neuron;
    if (plasticity.rule == PlasticityRule::kFrozen)
      kernels().spread(weights, a.r_e[neuron], sums, w.rows, w.columns * K, pitch);
    else
      kernels().spread_and_learn(weights, a.r_e[neuron], gain_.data() + w.first_neuron, keep_.data() + w.first_neuron,
                                 bound, sums, w.rows, w.columns * K, pitch);
  }
}

// A row of a window is one run of neurons, so those of it that fire are one run of the active ones.
void Circuit::excite_side_by_side(Activity& a, const std::vector<float>& weights_onto) const {
  const auto K = config_.features;
  const auto found = kernels().active_rows(a.r_e.data(), config_.neurons(), a.columns, a.active.data());
  const auto first_active = [&](std::int64_t position) {
    return std::lower_bound(a.active.begin(), a.active.begin() + found, position * K) - a.active.begin();
  };
  for (std::int64_t p = 0; p < config_.positions(); ++p) {
    const auto& w = windows_[p];
    for (std::int64_t row = 0; row < w.rows; ++row) {
      const auto left = (w.first_row + row) * config_.columns + w.first_column;
      const auto from = first_active(left), to = first_active(left + w.columns);
      kernels().sparse_products(weights_onto.data() + w.offset + row * w.columns * K, w.inputs, a.r_e.data(),
                                a.active.data() + from, to - from, left * K, a.sums.data() + p * K * a.columns, K,
                                a.columns);
    }
  }
}

// Sums over windows of the same feature and over the own hypercolumn, weighted; one neuron's own feature counts once.
void Circuit::inhibitory_input(Activity& a) const {
  const auto radius = std::min(config_.inhibitory_radius, config_.columns - 1);
  const auto one = config_.features * a.columns, row = config_.columns * one;
  std::ranges::fill(a.scratch, 0.0f);
  std::ranges::fill(a.to_inhibition, 0.0f);
  for (std::int64_t shift = -radius; shift <= radius; ++shift) {
    const auto to = std::max<std::int64_t>(0, -shift), from = std::max<std::int64_t>(0, shift);
    for (std::int64_t y = 0; y < config_.rows; ++y)
      kernels().add(a.scratch.data() + y * row + to * one, a.r_e.data() + y * row + from * one,
                    (config_.columns - std::abs(shift)) * one);
  }
  for (std::int64_t y = 0; y < config_.rows; ++y) {
    const auto last = std::min(config_.rows - 1, y + config_.inhibitory_radius);
    for (auto other = std::max<std::int64_t>(0, y - config_.inhibitory_radius); other <= last; ++other)
      kernels().add(a.to_inhibition.data() + y * row, a.scratch.data() + other * row, row);
  }
  const auto weight = static_cast<float>(config_.inhibitory_weight / static_cast<double>(8 + config_.features));
  kernels().add_own_position(a.r_e.data(), weight, a.to_inhibition.data(), config_.positions(), config_.features,
                             a.columns);
}

void Circuit::relax(Activity& a) const {
  const RateFunction f{static_cast<float>(config_.beta), static_cast<float>(config_.threshold), config_.exponent == 2};
  const auto n = config_.neurons() * a.columns;
  inhibitory_input(a);
  kernels().relax(a.u_e.data(), a.sums.data(), static_cast<float>(config_.step / config_.tau_e), f, a.r_e.data(), n);
  kernels().relax(a.u_i.data(), a.to_inhibition.data(), static_cast<float>(config_.step / config_.tau_i), f,
                  a.r_i.data(), n);
}

float Circuit::present(const Stimulus& stimulus, const Plasticity& plasticity, double rate) {
  keep_.assign(config_.neurons(), 1.0f);
  std::vector<float> noisy(stimulus.noisy_drive ? stimulus.drive.size() : 0);
  float largest = 0;
  for (std::int64_t step = 0; step < stimulus.steps; ++step) {
    if (stimulus.noisy_drive) stimulus.noisy_drive(step, noisy);
    drive(now_, stimulus.noisy_drive ? noisy.data() : stimulus.drive.data(), config_.in_training);
    if (plasticity.rule != PlasticityRule::kFrozen) learn(plasticity, rate);
    if (config_.in_training.excitation) excite(plasticity);
    relax(now_);
    if (config_.saturation > 0) saturate(now_.r_e, static_cast<float>(config_.saturation));
    largest = larger(largest, largest_of(now_.r_e));
  }
  return largest;
}

namespace {

// Adds one sample of `count` stimuli, from `first` on, to what is told of all.
void sample(const std::vector<float>& rates, std::int64_t columns, std::int64_t first, std::int64_t count,
            std::int64_t at, CircuitResponses& out) {
  const auto n = static_cast<std::int64_t>(out.mean_square.size());
  const bool last_two = at + 2 >= static_cast<std::int64_t>(out.course.size());
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t s = 0; s < count; ++s) {
      const float r = rates[i * columns + s];
      const double square = static_cast<double>(r) * r;
      out.largest = larger(out.largest, r);
      out.course[at] += r;
      out.mean_square[i] += square;
      out.mean_cube[i] += square * r;
      if (last_two) out.steady[(first + s) * n + i] += 0.5f * r;
    }
}

std::vector<float> side_by_side(std::span<const float> drives, std::int64_t neurons, std::int64_t columns) {
  std::vector<float> out(neurons * columns);
  const auto count = static_cast<std::int64_t>(drives.size()) / neurons;
  for (std::int64_t s = 0; s < count; ++s)
    for (std::int64_t i = 0; i < neurons; ++i) out[i * columns + s] = drives[s * neurons + i];
  return out;
}

}  // namespace

CircuitResponses Circuit::respond(std::span<const float> drives, std::int64_t steps, std::int64_t every) const {
  const auto n = config_.neurons(), stimuli = static_cast<std::int64_t>(drives.size()) / n, samples = steps / every;
  const auto weights_onto = transposed();
  CircuitResponses out{std::vector<float>(drives.size()), std::vector<double>(samples), std::vector<double>(n),
                       std::vector<double>(n), 0};
  for (std::int64_t first = 0; first < stimuli; first += kStimuliAtOnce) {
    const auto count = std::min(kStimuliAtOnce, stimuli - first);
    Activity a(n, rounded_up(count, 16));
    const auto shown = side_by_side(drives.subspan(first * n, count * n), n, a.columns);
    for (std::int64_t step = 1; step <= steps; ++step) {
      drive(a, shown.data(), config_.in_tests);
      if (config_.in_tests.excitation) excite_side_by_side(a, weights_onto);
      relax(a);
      if (step % every == 0) sample(a.r_e, a.columns, first, count, step / every - 1, out);
    }
  }
  for (double& rate : out.course) rate /= static_cast<double>(n * stimuli);
  for (auto* moments : {&out.mean_square, &out.mean_cube})
    for (double& moment : *moments) moment /= static_cast<double>(samples * stimuli);
  return out;
}

}  // namespace palimpsest
