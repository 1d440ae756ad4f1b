#include "models/circuit.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernels.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kStimuliAtOnce = 32;
constexpr double kLeastThreshold = 1e-6;

std::int64_t rounded_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

RateFunction rate_function(const CircuitConfig& c) {
  return {static_cast<float>(c.beta), static_cast<float>(c.threshold), c.exponent == 2};
}

float largest_of(const std::vector<float>& rates) {
  float largest = 0;
  for (const float r : rates) largest = r > largest ? r : largest;
  return largest;
}

}  // namespace

Circuit::Circuit(const CircuitConfig& config) : config_(config), theta_(config.neurons(), kLeastThreshold) {
  const auto K = config.features, radius = config.excitatory_radius;
  std::int64_t offset = 0;
  for (std::int64_t row = 0; row < config.rows; ++row)
    for (std::int64_t column = 0; column < config.columns; ++column) {
      Window w{};
      w.first_row = std::max<std::int64_t>(0, row - radius);
      w.first_column = std::max<std::int64_t>(0, column - radius);
      w.rows = std::min(config.rows, row + radius + 1) - w.first_row;
      w.columns = std::min(config.columns, column + radius + 1) - w.first_column;
      w.first_neuron = (w.first_row * config.columns + w.first_column) * K;
      w.inputs = w.rows * w.columns * K;
      w.offset = offset;
      offset += K * w.inputs;
      windows_.push_back(w);
    }
  weights_.assign(offset, 1.0f);
  for (auto* state : {&u_e_, &r_e_, &u_i_, &r_i_, &sums_, &gain_, &drive_, &to_inhibition_, &scratch_})
    state->assign(config.neurons(), 0.0f);
  keep_.assign(config.neurons(), 1.0f);
  active_.resize(config.neurons() + 1);
  begin();
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

void Circuit::rest() {
  for (auto* state : {&u_e_, &r_e_, &u_i_, &r_i_}) std::ranges::fill(*state, 0.0f);
}

// The clipping after the first step of a presentation is done at once: rates are zero until then.
void Circuit::begin() {
  rest();
  const auto K = config_.features;
  const auto& kernel = kernels();
  std::ranges::fill(sums_, 0.0f);
  const auto each_neuron = [&](const auto& act) {
    for (std::int64_t p = 0; p < config_.positions(); ++p)
      for (std::int64_t k = 0; k < K; ++k)
        act(windows_[p], weights_.data() + windows_[p].offset + k * windows_[p].inputs);
  };
  each_neuron([&](const Window& w, float* weights) {
    kernel.spread(weights, 1.0f, sums_.data() + w.first_neuron, w.rows, w.columns * K, config_.columns * K);
  });
  for (float& sum : sums_) sum = sum > 0 ? static_cast<float>(config_.row_sum) / sum : 1.0f;
  const auto side = 2 * config_.excitatory_radius + 1;
  const auto bound = static_cast<float>(config_.bound / static_cast<double>(side * side * K));
  each_neuron([&](const Window& w, float* weights) {
    for (std::int64_t row = 0; row < w.rows; ++row)
      for (std::int64_t i = 0; i < w.columns * K; ++i, ++weights)
        *weights = std::min(bound, *weights * sums_[w.first_neuron + row * config_.columns * K + i]);
  });
}

// Sums over windows of the same feature and over the own hypercolumn, weighted; one neuron's own feature counts once.
void Circuit::inhibitory_input(const float* rates, float* scratch, float* out, std::int64_t columns) const {
  const auto& kernel = kernels();
  const auto radius = config_.inhibitory_radius, one = config_.features * columns, row = config_.columns * one;
  std::fill_n(scratch, config_.rows * row, 0.0f);
  std::fill_n(out, config_.rows * row, 0.0f);
  for (std::int64_t shift = -std::min(radius, config_.columns - 1); shift <= std::min(radius, config_.columns - 1);
       ++shift) {
    const auto to = std::max<std::int64_t>(0, -shift), from = std::max<std::int64_t>(0, shift);
    const auto length = (config_.columns - std::abs(shift)) * one;
    for (std::int64_t y = 0; y < config_.rows; ++y)
      kernel.add(scratch + y * row + to * one, rates + y * row + from * one, length);
  }
  for (std::int64_t y = 0; y < config_.rows; ++y)
    for (auto other = std::max<std::int64_t>(0, y - radius); other < std::min(config_.rows, y + radius + 1); ++other)
      kernel.add(out + y * row, scratch + other * row, row);
  const auto weight = static_cast<float>(config_.inhibitory_weight / static_cast<double>(8 + config_.features));
  kernel.add_own_position(rates, weight, out, config_.positions(), config_.features, columns);
}

void Circuit::learn_gains(const Plasticity& plasticity, double rate) {
  const double scale = config_.step * rate / plasticity.tau_w;
  for (std::size_t k = 0; k < gain_.size(); ++k) {
    const double r = r_e_[k], theta = std::max(theta_[k], kLeastThreshold);
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

float Circuit::present(const Stimulus& stimulus, const Plasticity& plasticity, double rate) {
  const auto& kernel = kernels();
  const auto n = config_.neurons(), K = config_.features, pitch = config_.columns * K;
  const auto f = rate_function(config_);
  const bool learns = plasticity.rule != PlasticityRule::kFrozen;
  const bool decays = plasticity.rule == PlasticityRule::kOja;  // weights from silent neurons change too
  const auto side = 2 * config_.excitatory_radius + 1;
  const auto bound = static_cast<float>(config_.bound / static_cast<double>(side * side * K));
  const auto share_e = static_cast<float>(config_.step / config_.tau_e),
             share_i = static_cast<float>(config_.step / config_.tau_i);
  if (!decays) std::ranges::fill(keep_, 1.0f);
  float largest = 0;
  for (std::int64_t step = 0; step < stimulus.steps; ++step) {
    const float* drive = stimulus.drive.data();
    if (stimulus.noisy_drive) stimulus.noisy_drive(step, drive_), drive = drive_.data();
    float inhibition = 0;
    if (config_.inhibition) kernel.column_means(r_i_.data(), &inhibition, n, 1);
    kernel.less_columns(drive, &inhibition, sums_.data(), n, 1);
    if (learns) learn_gains(plasticity, rate);
    std::int64_t active = 0;
    if (config_.excitation) active = kernel.active_rows(r_e_.data(), n, 1, active_.data());
    if (config_.excitation && decays)
      for (active = 0; active < n; ++active) active_[active] = static_cast<std::int32_t>(active);
    for (std::int64_t a = 0; a < active; ++a) {
      const std::int64_t neuron = active_[a];
      const auto& w = windows_[neuron / K];
      float* weights = weights_.data() + w.offset + neuron % K * w.inputs;
      float* sums = sums_.data() + w.first_neuron;
      if (learns)
        kernel.spread_and_learn(weights, r_e_[neuron], gain_.data() + w.first_neuron, keep_.data() + w.first_neuron,
                                bound, sums, w.rows, w.columns * K, pitch);
      else
        kernel.spread(weights, r_e_[neuron], sums, w.rows, w.columns * K, pitch);
    }
    inhibitory_input(r_e_.data(), scratch_.data(), to_inhibition_.data(), 1);
    kernel.relax(u_e_.data(), sums_.data(), share_e, f, r_e_.data(), n);
    kernel.relax(u_i_.data(), to_inhibition_.data(), share_i, f, r_i_.data(), n);
    largest = std::max(largest, largest_of(r_e_));
  }
  return largest;
}

CircuitResponses Circuit::respond(std::span<const float> drives, std::int64_t steps, std::int64_t sample) const {
  const auto& kernel = kernels();
  const auto n = config_.neurons(), K = config_.features;
  const auto f = rate_function(config_);
  const auto share_e = static_cast<float>(config_.step / config_.tau_e),
             share_i = static_cast<float>(config_.step / config_.tau_i);
  const auto stimuli = static_cast<std::int64_t>(drives.size()) / n, samples = steps / sample;
  const auto weights = transposed();
  CircuitResponses out;
  out.steady.assign(drives.size(), 0.0f);
  out.course.assign(samples, 0.0);
  out.mean_square.assign(n, 0.0);
  out.mean_cube.assign(n, 0.0);
  std::vector<std::int32_t> active(n + 1);
  std::vector<std::int64_t> starts(config_.positions() + 1);
  for (std::int64_t first = 0; first < stimuli; first += kStimuliAtOnce) {
    const auto count = std::min(kStimuliAtOnce, stimuli - first), columns = rounded_up(count, 16);
    std::vector<float> drive(n * columns), u_e(n * columns), r_e(n * columns), u_i(n * columns), r_i(n * columns),
        sums(n * columns), to_inhibition(n * columns), scratch(n * columns), inhibition(columns);
    for (std::int64_t s = 0; s < count; ++s)
      for (std::int64_t i = 0; i < n; ++i) drive[i * columns + s] = drives[(first + s) * n + i];
    for (std::int64_t step = 1; step <= steps; ++step) {
      if (config_.inhibition) kernel.column_means(r_i.data(), inhibition.data(), n, columns);
      kernel.less_columns(drive.data(), inhibition.data(), sums.data(), n, columns);
      if (config_.excitation) {
        const auto found = kernel.active_rows(r_e.data(), n, columns, active.data());
        for (std::int64_t p = 0, at = 0; p <= config_.positions(); ++p) {
          while (at < found && active[at] < p * K) ++at;
          starts[p] = at;
        }
        for (std::int64_t p = 0; p < config_.positions(); ++p) {
          const auto& w = windows_[p];
          for (std::int64_t row = 0; row < w.rows; ++row) {
            const auto left = (w.first_row + row) * config_.columns + w.first_column;
            kernel.sparse_products(weights.data() + w.offset + row * w.columns * K, w.inputs, r_e.data(),
                                   active.data() + starts[left], starts[left + w.columns] - starts[left], left * K,
                                   sums.data() + p * K * columns, K, columns);
          }
        }
      }
      inhibitory_input(r_e.data(), scratch.data(), to_inhibition.data(), columns);
      kernel.relax(u_e.data(), sums.data(), share_e, f, r_e.data(), n * columns);
      kernel.relax(u_i.data(), to_inhibition.data(), share_i, f, r_i.data(), n * columns);
      if (step % sample != 0) continue;
      const auto at = step / sample - 1;
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t s = 0; s < count; ++s) {
          const float r = r_e[i * columns + s];
          out.largest = r <= out.largest ? out.largest : r;
          out.course[at] += r;
          out.mean_square[i] += static_cast<double>(r) * r;
          out.mean_cube[i] += static_cast<double>(r) * r * r;
          if (at + 2 >= samples) out.steady[(first + s) * n + i] += samples > 1 ? 0.5f * r : r;
        }
    }
  }
  for (double& rate : out.course) rate /= static_cast<double>(n * stimuli);
  for (auto* moments : {&out.mean_square, &out.mean_cube})
    for (double& moment : *moments) moment /= static_cast<double>(samples * stimuli);
  return out;
}

}  // namespace palimpsest
