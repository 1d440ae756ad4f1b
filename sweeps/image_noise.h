#pragma once

#include <string>
#include <vector>

#include "runtime/image.h"
#include "runtime/random_stream.h"

namespace palimpsest {

/// What noise is laid over: values in [0, white], channel by channel in a pixel, row by row. Colour photographs have three channels
/// and a white of 255; the circuit's grey images one and a white of 1.
struct Pixels {
  int width = 0, height = 0, channels = 3;
  double white = 255;
  std::vector<double> values;

  std::size_t place(int x, int y, int channel) const { return static_cast<std::size_t>(channels * (y * width + x) + channel); }
};

/// One way of spoiling images. `spoil` spoils a copy of `clean` at each of the levels (ascending, in (0, 1]); the pattern is a function of the
/// stream alone and is shared by the levels, so that what differs between them is how much, not where. Values may leave [0, white].
/// A new kind is a file that defines one of these, and its name in image_noise.cc: all studies have it then.
struct NoiseKind {
  const char* name;
  const char* meaning;
  std::vector<Pixels> (*spoil)(const Pixels& clean, const std::vector<double>& levels, const RandomStream& stream);

  /// The same of an image: cut to [0, 255] and rounded.
  std::vector<Image> apply(const Image& clean, const std::vector<double>& levels, const RandomStream& stream) const;
};

const std::vector<const NoiseKind*>& noise_kinds();
const NoiseKind& find_noise_kind(const std::string& name);   // throws InputError
std::string noises_meaning();                                // of a key that chooses one

}  // namespace palimpsest
