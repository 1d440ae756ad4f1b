#include "sweeps/familiarity_images.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

#include <fmt/format.h>

#include "runtime/durable_file.h"
#include "runtime/key_error.h"
#include "runtime/log.h"

namespace palimpsest {
namespace {

Image prepared(const ImageSource& source, std::int64_t index, const NoiseConfig& noise, int side) {
  if (noise.after_resize) return square(source.image(index), side);
  return square(source.image(index), static_cast<int>(noise.side));
}

Image finished(Image image, int side) {
  return image.width == side ? std::move(image) : resize_bicubic(image, side, side);
}

[[noreturn]] void refuse_classes(const ImageNeeds& needs, const SetOrder& drawn, std::int64_t sets) {
  throw InputError(
      fmt::format("images.classes = \"{}\": {} image sets of {} images {} are asked for, but the {} classes there are make {}. "
                  "Lower sweep.image_sets or images.count, or give more images{}.",
                  needs.classes == SetClasses::kSame ? "same" : "different", sets, needs.count,
                  needs.classes == SetClasses::kSame ? "of one class each" : "of as many classes", drawn.classes, drawn.sets,
                  needs.classes == SetClasses::kSame ? "" : " or classes"));
}

// Those that are named go before the others.
std::vector<std::int64_t> with_first(const ImageSource& source, const std::vector<std::string>& names, std::vector<std::int64_t> order) {
  if (names.empty()) return order;
  std::map<std::string, std::int64_t> numbers;
  for (std::int64_t image = 0; image < source.count(); ++image) numbers.emplace(source.name(image), image);
  std::vector<std::int64_t> first;
  for (const auto& name : names) {
    const auto found = numbers.find(name);
    if (found == numbers.end())
      throw KeyError("images.first", fmt::format("images.first: there is no image \"{}\"; the first is \"{}\". Write names as they lie below images.path.", name, source.name(0)));
    if (std::ranges::count(first, found->second) > 0) throw KeyError("images.first", fmt::format("images.first names \"{}\" twice. Leave one out.", name));
    first.push_back(found->second);
  }
  std::erase_if(order, [&](auto image) { return std::ranges::count(first, image) > 0; });
  order.insert(order.begin(), first.begin(), first.end());
  return order;
}

}  // namespace

ImageSets choose_images(const ImageSource& source, const Settings& settings, std::int64_t image_set,
                        std::int64_t image_sets) {
  const ImageNeeds needs{settings.integer("images.count"), settings.integer("alignment.reference"),
                         "alignment.reference", set_classes_of(settings.string("images.classes")), settings.strings("images.first")};
  return choose_images(source, needs, static_cast<std::uint64_t>(settings.integer("images.seed")), image_set,
                       image_sets);
}

std::string hash_of(const ImageSource& source, const std::vector<std::int64_t>& chosen) {
  std::string all;
  for (const auto index : chosen) all += source.hash(index) + "\n";
  return content_hash(all);
}

ImageSets choose_images(const ImageSource& source, const ImageNeeds& needs, std::uint64_t seed, std::int64_t image_set,
                        std::int64_t image_sets) {
  const std::int64_t count = needs.count, reference = needs.reference;
  // One set has no next one: its novel images are a second set of their own.
  const std::int64_t sets = std::max<std::int64_t>(image_sets, 2), total = source.count();
  if (sets * count > total || 2 * count + reference > total)
    throw InputError(
        fmt::format("{} image sets of {} need {} images, and the reference {} more than a set and its novel control, "
                    "but there are {}. Lower sweep.image_sets, "
                    "images.count or {}, or give more images.",
                    image_sets, count, sets * count, reference, total, needs.reference_key));
  const auto drawn = order_by_class(source, with_first(source, needs.first, RandomStream(seed).child(purpose("image sets")).permutation(total)), count, needs.classes);
  if (drawn.sets < sets) refuse_classes(needs, drawn, sets);
  const auto& order = drawn.images;
  const auto of_set = [&](std::int64_t set) {
    const auto begin = order.begin() + (set % sets) * count;
    return std::vector<std::int64_t>(begin, begin + count);
  };
  ImageSets chosen{of_set(image_set), of_set(image_set + 1), {}};
  // From behind the two sets on, once round: each run's reference is of images it neither learns nor is tested with.
  for (std::int64_t i = 0; static_cast<std::int64_t>(chosen.reference.size()) < reference && i < total; ++i) {
    const std::int64_t place = (image_set * count + 2 * count + i) % total, set = place / count;
    if (place < sets * count && (set == image_set || set == (image_set + 1) % sets)) continue;
    chosen.reference.push_back(order[place]);
  }
  return chosen;
}

Variants noisy_variants(const ImageSource& source, const std::vector<std::int64_t>& chosen, const NoiseConfig& noise,
                        int side, const RandomStream& stream) {
  Variants out;
  out.images.resize(1 + (noise.levels.size() - 1) * static_cast<std::size_t>(noise.patterns));
  for (const auto index : chosen) {
    const Image clean = prepared(source, index, noise, side);
    out.images[0].push_back(finished(clean, side));
    const std::vector<double> levels(noise.levels.begin() + 1, noise.levels.end());
    for (std::int64_t pattern = 0; pattern < noise.patterns; ++pattern) {
      auto noisy = noise.kind->apply(
          clean, levels, stream.child(static_cast<std::uint64_t>(index)).child(static_cast<std::uint64_t>(pattern)));
      for (std::size_t level = 0; level < levels.size(); ++level)
        out.images[1 + level * static_cast<std::size_t>(noise.patterns) + static_cast<std::size_t>(pattern)].push_back(
            finished(std::move(noisy[level]), side));
    }
  }
  return out;
}

std::shared_ptr<const ImageSource> shared_images(const Settings& settings) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const ImageSource>> open;
  std::string key;
  for (const auto& [name, value] : settings.values())
    if (name.starts_with("images.")) key += name + "=" + text(value) + "\n";
  const std::lock_guard lock(mutex);
  auto& source = open[key];
  if (!source) source = open_images(settings, [](const std::string& warning) { log().warn("{}", warning); });
  return source;
}

}  // namespace palimpsest
