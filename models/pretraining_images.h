#pragma once

#include "models/held_images.h"
#include "runtime/settings.h"

namespace palimpsest {

struct PretrainingImages {
  HeldImages training;
  HeldImages validation;   // squares of the side the model sees
};

/// What [images] and [validation] name. `side`: what the model sees. Throws InputError: none there, too few, too small, unreadable.
PretrainingImages open_pretraining_images(const Settings&, int side, const std::function<void(const std::string&)>& warn);

}  // namespace palimpsest
