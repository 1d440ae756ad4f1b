#include "models/batch_loader.h"

#include "runtime/tensor_file.h"

namespace palimpsest {

Batch BatchLoader::batch(std::int64_t step) {
  if (ahead_.valid() && ahead_step_ != step) ahead_.get();   // made for another step than the one that is asked for
  Batch batch = ahead_.valid() ? ahead_.get() : make(step);
  ahead_step_ = step + 1;
  ahead_ = std::async(std::launch::async, [this, step] { return make(step + 1); });
  return batch;
}

Batch BatchLoader::make(std::int64_t step) {
  const std::int64_t n = images_.count(), first = options_.rank * options_.batch / options_.world_size;
  const std::int64_t end = (options_.rank + 1) * options_.batch / options_.world_size;
  Batch batch{.images = {}, .streams = {}, .global_size = options_.batch, .training = true};
  std::vector<Image> crops;
  for (std::int64_t place = first; place < end; ++place) {
    const std::int64_t shown = step * options_.batch + place, epoch = shown / n;
    const std::int64_t index = image_at(epoch, shown % n);
    const auto stream = RandomStream(options_.seed).child(purpose("image")).child(static_cast<std::uint64_t>(epoch)).child(static_cast<std::uint64_t>(index));
    const Image& image = images_.images[index];
    crops.push_back(cut(image, draw_crop(image.width, image.height, options_.crop, stream.child(purpose("crop"))), options_.side));
    batch.streams.push_back(stream);
  }
  batch.images = to_tensor(crops);
  return batch;
}

std::int64_t BatchLoader::image_at(std::int64_t epoch, std::int64_t place) {
  if (epoch != epoch_) {
    order_ = RandomStream(options_.seed).child(purpose("order")).child(static_cast<std::uint64_t>(epoch)).permutation(images_.count());
    epoch_ = epoch;
  }
  return order_[place];
}

}  // namespace palimpsest
