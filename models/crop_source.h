#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/augment.h"
#include "models/held_images.h"

namespace palimpsest {

/// What training cuts its crops from. Safe to use from several threads.
class CropSource {
 public:
  virtual ~CropSource() = default;
  virtual std::int64_t count() const = 0;
  /// The crop that the stream draws of image `index`, side x side pixels.
  virtual Image crop(std::int64_t index, int side, const CropRange&, const RandomStream&) const = 0;
  virtual std::string hash() const = 0;  // of the images: what a run that goes on must share with the one before
};

/// Crops of images in memory.
class HeldCrops final : public CropSource {
 public:
  explicit HeldCrops(HeldImages images) : images_(std::move(images)) {}
  std::int64_t count() const override { return images_.count(); }
  Image crop(std::int64_t index, int side, const CropRange&, const RandomStream&) const override;
  std::string hash() const override { return images_.hash(); }

 private:
  HeldImages images_;
};

/// Crops of the images `chosen` of a source, each read and decoded anew, no finer than the crop needs. An image that
/// cannot be read or is smaller than the crops is named to `warn` once, and the next sound one stands in for it. The
/// hash is of names and sizes of files. Throws InputError where none of them can be read.
std::unique_ptr<CropSource> streamed_crops(std::shared_ptr<const ImageSource>, std::vector<std::int64_t> chosen,
                                           const std::function<void(const std::string&)>& warn);

}  // namespace palimpsest
