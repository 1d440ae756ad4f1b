#pragma once

#include <string>
#include <vector>

#include "runtime/image.h"
#include "runtime/random_stream.h"

namespace palimpsest {

/// One way of spoiling images. `apply` spoils a copy of `clean` at each of the levels (ascending, in (0, 1]); the pattern is a function of the
/// stream alone and is shared by the levels, so that what differs between them is how much, not where.
/// A new kind is one of these and its name in image_noise.cc.
struct NoiseKind {
  const char* name;
  const char* meaning;
  std::vector<Image> (*apply)(const Image& clean, const std::vector<double>& levels, const RandomStream& stream);
};

const std::vector<const NoiseKind*>& noise_kinds();
const NoiseKind& find_noise_kind(const std::string& name);   // throws InputError

/// Sets pixels to white (the first half of those drawn) or black, all channels alike: floor(level * pixels) distinct
/// ones, a prefix of one permutation, so that the places of a level are among those of the next (arXiv 2508.04988).
void salt_and_pepper(Image& image, double level, const std::vector<std::int64_t>& order);

}  // namespace palimpsest
