#pragma once

#include "runtime/image.h"
#include "runtime/random_stream.h"

namespace palimpsest {

/// Random resized crops. A crop's side is a share of the image's short side, uniform in [smallest, largest]; its shape is stretched by a
/// factor in [1 / aspect, aspect] (width over height, log-uniform), as far as the image allows.
struct CropRange {
  double smallest = 0.5, largest = 1.0;
  double aspect = 1.0;
  bool flip = true;      // left to right, half of the time
};

/// A part of an image, in pixels, not rounded.
struct Crop {
  double left = 0, top = 0, width = 0, height = 0;
  bool flipped = false;
};

/// The crop that the stream draws: for pretraining a function of (seed, image, epoch).
Crop draw_crop(int width, int height, const CropRange&, const RandomStream&);

/// The crop of an image as side x side pixels (bicubic, antialiased).
Image cut(const Image&, const Crop&, int side);

void mirror(Image&);   // left to right

}  // namespace palimpsest
