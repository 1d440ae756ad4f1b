#pragma once

#include <memory>

#include "models/crop_source.h"
#include "models/held_images.h"
#include "runtime/settings.h"

namespace palimpsest {

struct PretrainingImages {
  std::unique_ptr<CropSource> training;
  HeldImages validation;   // squares of the side the model sees
};

/// Whether training images are kept in memory (training.hold): asked for, or "auto" and so few that they take less than a GiB. A function of the
/// settings and the number of images alone, as the pixels of crops differ in their last bits between the two.
bool held_in_memory(const Settings&, int side, std::int64_t images);

/// Where [images] and [validation] read images from; nothing where they are made. Throws InputError where a folder is not named.
std::vector<ImagePlace> places_of_pretraining_images(const Settings&);

/// What [images] and [validation] name. `side`: what the model sees. Throws InputError: none there, too few, too small, unreadable.
PretrainingImages open_pretraining_images(const Settings&, int side, const std::function<void(const std::string&)>& warn);

}  // namespace palimpsest
