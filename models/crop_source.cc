#include "models/crop_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <set>

#include "runtime/durable_file.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

class StreamedCrops final : public CropSource {
 public:
  StreamedCrops(std::shared_ptr<const ImageSource> source, std::vector<std::int64_t> chosen,
                const std::function<void(const std::string&)>& warn)
      : source_(std::move(source)), chosen_(std::move(chosen)), warn_(warn) {}

  std::int64_t count() const override { return std::ssize(chosen_); }

  // Which image stands in is a function of the index alone, so that ranks and resumed runs agree.
  Image crop(std::int64_t index, int side, const CropRange& range, const RandomStream& stream) const override {
    for (std::int64_t tried = 0; tried < count(); ++tried) {
      const std::int64_t image = chosen_[static_cast<std::size_t>((index + tried) % count())];
      try {
        return crop_of(image, side, range, stream);
      } catch (const InputError& error) {
        tell(image, error.what());
      }
    }
    throw InputError("no image to train on can be read any more. Check the disk, and run the same command again.");
  }

  std::string hash() const override {
    std::string all;
    for (const std::int64_t image : chosen_) all += fmt::format("{} {}\n", source_->bytes(image), source_->name(image));
    return content_hash(all);
  }

 private:
  Image crop_of(std::int64_t image, int side, const CropRange& range, const RandomStream& stream) const {
    Crop crop;
    Image cut = source_->part(image, side, [&](ImageSize size) {
      if (std::min(size.width, size.height) < side)
        throw InputError(fmt::format("{} has {} x {} pixels, but the model sees {} x {}.", source_->name(image),
                                     size.width, size.height, side, side));
      crop = draw_crop(size.width, size.height, range, stream);
      return Box{crop.left, crop.top, crop.width, crop.height};
    });
    if (crop.flipped) mirror(cut);
    return cut;
  }

  void tell(std::int64_t image, const std::string& why) const {
    const std::lock_guard lock(mutex_);
    if (!damaged_.insert(image).second || !warn_) return;
    warn_(fmt::format("{} It is skipped; so are {} of {} images so far.", why, damaged_.size(), count()));
  }

  const std::shared_ptr<const ImageSource> source_;
  const std::vector<std::int64_t> chosen_;
  const std::function<void(const std::string&)> warn_;
  mutable std::mutex mutex_;
  mutable std::set<std::int64_t> damaged_;  // protected by mutex_
};

}  // namespace

Image HeldCrops::crop(std::int64_t index, int side, const CropRange& range, const RandomStream& stream) const {
  const Image& image = images_.images[static_cast<std::size_t>(index)];
  return cut(image, draw_crop(image.width, image.height, range, stream), side);
}

std::unique_ptr<CropSource> streamed_crops(std::shared_ptr<const ImageSource> source, std::vector<std::int64_t> chosen,
                                           const std::function<void(const std::string&)>& warn) {
  return std::make_unique<StreamedCrops>(std::move(source), std::move(chosen), warn);
}

}  // namespace palimpsest
