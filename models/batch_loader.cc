#include "models/batch_loader.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace palimpsest {
namespace {

using Clock = std::chrono::steady_clock;

// Bytes (y, x, channel) to floats in [0, 1] (channel, y, x). Looked up: a division for each would take a fifth of the loader's time.
void write(const Image& image, float* out) {
  static const auto kLight = [] {
    std::array<float, 256> light;
    for (std::size_t byte = 0; byte < light.size(); ++byte) light[byte] = static_cast<float>(byte) / 255.0f;
    return light;
  }();
  const std::size_t pixels = image.rgb.size() / 3;
  for (std::size_t i = 0; i < pixels; ++i)
    for (std::size_t channel = 0; channel < 3; ++channel) out[channel * pixels + i] = kLight[image.rgb[3 * i + channel]];
}

}  // namespace

BatchLoader::BatchLoader(const CropSource& images, const Options& options) : images_(images), options_(options) {
  for (int thread = 0; thread < options.threads; ++thread) threads_.emplace_back([this] { work(); });
}

BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  more_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Batch BatchLoader::batch(std::int64_t step) {
  const auto asked = Clock::now();
  std::unique_lock lock(mutex_);
  fill_row(step);
  const std::shared_ptr<Making> wanted = row_.front();
  made_.wait(lock, [&] { return wanted->missing == 0; });
  row_.pop_front();
  lock.unlock();
  waited_ += std::chrono::duration<double>(Clock::now() - asked).count();
  if (wanted->thrown) std::rethrow_exception(wanted->thrown);
  lock.lock();
  fill_row(step + 1);
  return std::move(wanted->batch);
}

// A row that begins at another step was made for one that is not asked for; threads that are at it hold what they write
// to.
void BatchLoader::fill_row(std::int64_t first_step) {
  if (!row_.empty() && row_.front()->step != first_step) row_.clear();
  while (std::ssize(row_) < options_.ahead) row_.push_back(begin(first_step + std::ssize(row_)));
  more_.notify_all();
}

std::shared_ptr<BatchLoader::Making> BatchLoader::begin(std::int64_t step) {
  const std::int64_t n = images_.count(), first = options_.rank * options_.batch / options_.world_size;
  const std::int64_t end = (options_.rank + 1) * options_.batch / options_.world_size, B = end - first,
                     S = options_.side;
  const auto options = at::TensorOptions(at::kFloat).pinned_memory(options_.pinned);
  auto making = std::make_shared<Making>();
  making->step = step;
  making->missing = B * options_.views;
  making->batch = {.images = at::empty({B, 3, S, S}, options),
                   .second = {},
                   .streams = {},
                   .global_size = options_.batch,
                   .first = first,
                   .training = true};
  if (options_.views == 2) making->batch.second = at::empty({B, 3, S, S}, options);
  for (std::int64_t place = first; place < end; ++place) {
    const std::int64_t shown = step * options_.batch + place, epoch = shown / n, index = image_at(epoch, shown % n);
    making->images.push_back(index);
    making->batch.streams.push_back(RandomStream(options_.seed)
                                        .child(purpose("image"))
                                        .child(static_cast<std::uint64_t>(epoch))
                                        .child(static_cast<std::uint64_t>(index)));
  }
  return making;
}

std::shared_ptr<BatchLoader::Making> BatchLoader::unbegun() const {
  for (const auto& making : row_)
    if (making->begun < std::ssize(making->images) * options_.views) return making;
  return nullptr;
}

void BatchLoader::work() {
  std::unique_lock lock(mutex_);
  for (std::shared_ptr<Making> making;;) {
    more_.wait(lock, [&] { return leaving_ || (making = unbegun()); });
    if (leaving_) return;
    const std::int64_t crop = making->begun++;
    lock.unlock();
    std::exception_ptr thrown;
    try {
      make(*making, crop);
    } catch (...) {
      thrown = std::current_exception();
    }
    lock.lock();
    if (thrown) making->thrown = thrown;
    if (--making->missing == 0) made_.notify_all();
  }
}

void BatchLoader::make(Making& making, std::int64_t crop) const {
  const std::int64_t B = std::ssize(making.images), image = crop % B, view = crop / B;
  const RandomStream stream =
      making.batch.streams[static_cast<std::size_t>(image)].child(purpose(view == 0 ? "crop" : "second crop"));
  const Image cut = images_.crop(making.images[static_cast<std::size_t>(image)], options_.side, options_.crop, stream);
  const at::Tensor& pixels = view == 0 ? making.batch.images : making.batch.second;
  write(cut, pixels.data_ptr<float>() + image * 3 * options_.side * options_.side);
}

std::int64_t BatchLoader::image_at(std::int64_t epoch, std::int64_t place) {
  if (epoch != epoch_) {
    order_ = RandomStream(options_.seed)
                 .child(purpose("order"))
                 .child(static_cast<std::uint64_t>(epoch))
                 .permutation(images_.count());
    epoch_ = epoch;
  }
  return order_[static_cast<std::size_t>(place)];
}

}  // namespace palimpsest
