#include "sweeps/circuit_input.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace palimpsest {
namespace {

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

double deviation(const std::vector<double>& values) {
  const double mean = mean_of(values);
  double sum = 0;
  for (const double v : values) sum += (v - mean) * (v - mean);
  return std::sqrt(sum / static_cast<double>(values.size()));
}

std::vector<double> normalised(std::vector<double> filter) {
  const double mean = mean_of(filter);
  double square = 0;
  for (double& v : filter) v -= mean, square += v * v;
  for (double& v : filter) v /= std::sqrt(square);
  return filter;
}

std::vector<double> gabor(int side, double orientation, double omega, double phase) {
  const double s = side / 6.0, middle = (side - 1) / 2.0;
  std::vector<double> out;
  for (int row = 0; row < side; ++row)
    for (int column = 0; column < side; ++column) {
      const double x = column - middle, y = row - middle;
      const double along = x * std::cos(orientation) + y * std::sin(orientation),
                   across = y * std::cos(orientation) - x * std::sin(orientation);
      out.push_back(std::exp(-(4 * along * along + across * across) / (8 * s * s)) * std::cos(omega * along + phase));
    }
  return normalised(std::move(out));
}

}  // namespace

GreyImage grey_image(const Image& image, const CircuitInputConfig& config) {
  const Image small = square(image, config.side);
  GreyImage out(small.rgb.size() / 3);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = (small.rgb[3 * i] + small.rgb[3 * i + 1] + small.rgb[3 * i + 2]) / 765.0;
  const double sd = deviation(out), mean = mean_of(out);
  if (sd >= config.contrast || sd == 0) return out;
  for (double& v : out) v = std::clamp(mean + (v - mean) * config.contrast / sd, 0.0, 1.0);
  return out;
}

std::vector<GreyImage> noisy(const GreyImage& image, const CircuitInputConfig& config, std::int64_t pattern, const RandomStream& stream) {
  const Pixels clean{.width = config.side, .height = config.side, .channels = 1, .white = 1, .values = image};
  std::vector<GreyImage> out;
  for (auto& spoilt : config.noise->spoil(clean, {config.levels.begin() + 1, config.levels.end()}, stream.child(static_cast<std::uint64_t>(pattern)))) {
    for (double& value : spoilt.values) value = std::clamp(value, 0.0, 1.0);
    out.push_back(std::move(spoilt.values));
  }
  return out;
}

GreyImage shuffled(const GreyImage& image, const RandomStream& stream) {
  const auto order = stream.child(purpose("shuffle")).permutation(static_cast<std::int64_t>(image.size()));
  GreyImage out;
  for (const auto from : order) out.push_back(image[from]);
  return out;
}

std::vector<std::vector<double>> gabor_bank(const CircuitInputConfig& config, const RandomStream& stream) {
  const double quarter = std::numbers::pi / 2, between = std::numbers::pi / static_cast<double>(config.orientations);
  const double tilt = config.drawn_bank ? between * stream.uniform(0) : 0;
  std::vector<std::vector<double>> bank;
  std::uint64_t drawn = 0;
  for (std::int64_t o = 0; o < config.orientations; ++o)
    for (const double omega : config.frequencies) {
      const double phase = config.drawn_bank ? 2 * std::numbers::pi * stream.uniform(++drawn) : 0;
      for (const double shift : {0.0, -quarter})
        bank.push_back(gabor(config.filter, between * static_cast<double>(o) + tilt, omega, phase + shift));
    }
  return bank;
}

std::vector<float> filter_responses(const GreyImage& image, const std::vector<std::vector<double>>& bank,
                                    const CircuitInputConfig& config) {
  std::vector<float> out;
  for (std::int64_t row = 0; row < config.grid(); ++row)
    for (std::int64_t column = 0; column < config.grid(); ++column)
      for (const auto& filter : bank) {
        double sum = 0;
        for (int y = 0; y < config.filter; ++y)
          for (int x = 0; x < config.filter; ++x)
            sum += filter[y * config.filter + x] *
                   image[(row * config.stride + y) * config.side + column * config.stride + x];
        out.push_back(static_cast<float>(std::abs(sum)));
      }
  return out;
}

std::vector<float> drives_of(const std::vector<GreyImage>& images, const std::vector<std::vector<double>>& bank,
                             const CircuitInputConfig& config, const RandomStream& noise) {
  std::vector<float> out;
  const auto add = [&](const GreyImage& image) {
    const auto responses = filter_responses(image, bank, config);
    out.insert(out.end(), responses.begin(), responses.end());
  };
  for (const auto& image : images) {
    add(image);
    std::vector<std::vector<GreyImage>> spoilt;  // [pattern][level]
    for (std::int64_t pattern = 0; pattern < config.patterns; ++pattern) spoilt.push_back(noisy(image, config, pattern, noise));
    for (std::size_t level = 0; level + 1 < config.levels.size(); ++level)
      for (const auto& levels : spoilt) add(levels[level]);
  }
  return out;
}

}  // namespace palimpsest
