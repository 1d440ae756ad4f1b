// Kinds of noise that put something else in the place of some pixels: floor(level * pixels) distinct ones, a prefix of one permutation, so
// that the places of a level are among those of the next (arXiv 2508.04988). All channels alike.

#include <cmath>

#include "sweeps/image_noise.h"

namespace palimpsest {
namespace {

/// value_of(i, n): what the i-th of n pixels becomes.
template <class ValueOf>
std::vector<Pixels> replaced(const Pixels& clean, const std::vector<double>& levels, const RandomStream& stream, ValueOf value_of) {
  const auto pixels = std::int64_t{clean.width} * clean.height;
  const auto order = stream.permutation(pixels);
  std::vector<Pixels> out(levels.size(), clean);
  for (std::size_t level = 0; level < levels.size(); ++level) {
    const auto n = static_cast<std::size_t>(std::floor(levels[level] * static_cast<double>(pixels) + 1e-9));
    for (std::size_t i = 0; i < n; ++i)
      for (int channel = 0; channel < clean.channels; ++channel)
        out[level].values[static_cast<std::size_t>(clean.channels * order[i] + channel)] = value_of(i, n);
  }
  return out;
}

// White the first half of those drawn, the others black.
std::vector<Pixels> salt_and_pepper(const Pixels& clean, const std::vector<double>& levels, const RandomStream& stream) {
  return replaced(clean, levels, stream, [&](std::size_t i, std::size_t n) { return i < n / 2 ? clean.white : 0.0; });
}

std::vector<Pixels> uniform(const Pixels& clean, const std::vector<double>& levels, const RandomStream& stream) {
  const auto grey = stream.child(purpose("grey"));
  return replaced(clean, levels, stream, [&](std::size_t i, std::size_t) { return clean.white * grey.uniform(i); });
}

}  // namespace

extern const NoiseKind kSaltAndPepper, kUniform;
const NoiseKind kSaltAndPepper = {"salt-and-pepper", "a share `level` of the pixels white or black", salt_and_pepper};
const NoiseKind kUniform = {"uniform", "a share `level` of the pixels any grey", uniform};

}  // namespace palimpsest
