#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/image_source.h"
#include "runtime/random_stream.h"
#include "runtime/settings.h"
#include "sweeps/image_classes.h"
#include "sweeps/image_noise.h"

namespace palimpsest {

/// Which images of a source a run sees. Sets are disjoint, in an order drawn from images.seed; the novel images of a
/// set are the familiar ones of the next (cyclic), so that the difficulty of images cancels; the reference images
/// belong to neither.
struct ImageSets {
  std::vector<std::int64_t> familiar, novel, reference;
};

/// How many images a run needs of each kind, and what key says so of the reference.
struct ImageNeeds {
  std::int64_t count = 0, reference = 0;
  std::string reference_key;
  SetClasses classes = SetClasses::kAny;
  std::vector<std::string> first = {};   // names of images that go before the others, in this order: key "images.first"
};

/// Throws InputError when the source has too few images for `image_sets` disjoint sets and the reference, with the
/// number it needs.
ImageSets choose_images(const ImageSource& source, const ImageNeeds& needs, std::uint64_t seed, std::int64_t image_set,
                        std::int64_t image_sets);
ImageSets choose_images(const ImageSource& source, const Settings& settings, std::int64_t image_set,
                        std::int64_t image_sets);
std::string hash_of(const ImageSource& source, const std::vector<std::int64_t>& chosen);

/// The variants of some images that a network is shown: variant 0 clean, then level by level the patterns of noise.
struct Variants {
  std::vector<std::vector<Image>> images;  // [variant][image], side x side
};

/// What noise to lay over images: keys "noise.*" of the study.
struct NoiseConfig {
  const NoiseKind* kind = nullptr;
  std::vector<double> levels;  // the first is 0
  std::int64_t patterns = 5, side = 64;
  bool after_resize = false;
};

/// The pattern of an image is a function of (stream, its number in the source, pattern): the same at every level, epoch
/// and condition.
Variants noisy_variants(const ImageSource& source, const std::vector<std::int64_t>& chosen, const NoiseConfig& noise,
                        int side, const RandomStream& stream);

/// An open image source per combination of "images.*" keys, shared by the runs of a process.
std::shared_ptr<const ImageSource> shared_images(const Settings& settings);

}  // namespace palimpsest
