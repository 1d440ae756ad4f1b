#pragma once

// What the circuit sees: grey images through a bank of filters.

#include <cstdint>
#include <vector>

#include "runtime/image_source.h"
#include "runtime/random_stream.h"
#include "sweeps/image_noise.h"

namespace palimpsest {

struct CircuitInputConfig {
  int side = 32, filter = 9, stride = 3;  // pixels
  std::int64_t orientations = 8;
  std::vector<double> frequencies = {0.5, 0.8, 1.2, 1.6};  // radians a pixel
  double contrast = 0.2;                                   // least SD of an image's grey values
  std::vector<double> levels = {0, 0.1, 0.3, 0.5};         // of noise; the first is 0
  std::int64_t patterns = 10;
  const NoiseKind* noise = &find_noise_kind("salt-and-pepper");
  bool drawn_bank = true;  // phases and orientations are drawn, else those of the cosine and sine

  std::int64_t features() const { return 2 * orientations * static_cast<std::int64_t>(frequencies.size()); }
  std::int64_t grid() const { return (side - filter) / stride + 1; }
  std::int64_t variants() const { return 1 + (static_cast<std::int64_t>(levels.size()) - 1) * patterns; }
};

/// Grey values in [0, 1], row by row.
using GreyImage = std::vector<double>;

/// The image as the circuit gets it: square, grey, its contrast raised to the least one where it is below (about its
/// mean, cut to [0, 1]).
GreyImage grey_image(const Image&, const CircuitInputConfig&);

/// An image of config.side under noise pattern `pattern`, at each of the levels above 0: the same pattern for all images, cut to [0, 1].
std::vector<GreyImage> noisy(const GreyImage&, const CircuitInputConfig&, std::int64_t pattern, const RandomStream& stream);

/// The pixels in another order, the same for all images of a stream: what is seen keeps its grey values and no
/// structure.
GreyImage shuffled(const GreyImage&, const RandomStream& stream);

/// Gabor filters [features, filter * filter] (orientation slowest, then frequency, then phase), each of mean 0 and
/// length 1: exp(-(4 x'^2 + y'^2) / (8 s^2)) {cos, sin}(omega x' + phase), s = filter / 6.
std::vector<std::vector<double>> gabor_bank(const CircuitInputConfig&, const RandomStream& stream);

/// |valid cross-correlation| at every stride: [grid, grid, features].
std::vector<float> filter_responses(const GreyImage&, const std::vector<std::vector<double>>& bank,
                                    const CircuitInputConfig&);

/// Every image of a set: clean, then level by level its patterns. [images][variants][grid, grid, features], flat.
std::vector<float> drives_of(const std::vector<GreyImage>& images, const std::vector<std::vector<double>>& bank,
                             const CircuitInputConfig&, const RandomStream& noise);

}  // namespace palimpsest
