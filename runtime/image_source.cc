#include "runtime/image_source.h"

#include "runtime/error.h"
#include "runtime/image_folder.h"
#include "runtime/image_shards.h"

namespace palimpsest {

Image ImageSource::part(std::int64_t index, int side, const std::function<Box(ImageSize)>& choose) const {
  const Image whole = image(index);
  const Box box = choose({whole.width, whole.height});
  return resize_bicubic(whole, side, side, box.left, box.top, box.width, box.height);
}

const KeyTable& image_keys() {
  static const KeyTable keys = {
      {.name = "images.source",
       .type = KeyType::kString,
       .default_value = std::string("dead-leaves"),
       .meaning = "Where images come from: a folder of JPEG and PNG files, tar shards in the layout of WebDataset, or dead "
                  "leaves, which are made.",
       .choices = {"folder", "shards", "dead-leaves"}},
      {.name = "images.path",
       .type = KeyType::kPath,
       .default_value = std::string(),
       .meaning = "The folder of images, with its subfolders, in the order of their names; of shards, the folder of .tar "
                  "files, one of them, or name-{000000..000009}.tar."},
      {.name = "images.masks",
       .type = KeyType::kPath,
       .default_value = std::string(),
       .meaning = "A folder of figure masks (255 figure, 0 ground) that bear the names of their images and have their "
                  "sizes; none where empty. Shards carry their masks with them."},
      {.name = "images.seed",
       .type = KeyType::kInteger,
       .default_value = std::int64_t{0},
       .meaning = "What dead leaves are made from: other seeds, other images.",
       .minimum = 0},
      {.name = "images.total",
       .type = KeyType::kInteger,
       .default_value = std::int64_t{0},
       .meaning = "How many images there are: the first so many of a folder, or so many dead leaves; 0 for all of a "
                  "folder, or 1000.",
       .unit = "images",
       .minimum = 0},
      {.name = "images.unreadable",
       .type = KeyType::kString,
       .default_value = std::string("refuse"),
       .meaning = "What to do about a file that is no sound image: refuse to start, or skip it with a warning. What is "
                  "damaged within a shard is always skipped with a warning.",
       .choices = {"refuse", "skip"}},
      {.name = "images.side",
       .type = KeyType::kInteger,
       .default_value = std::int64_t{96},
       .meaning = "Side of dead leaves; time to make one grows with its square.",
       .unit = "pixels",
       .minimum = 8,
       .maximum = 4096},
  };
  return keys;
}

namespace {

std::unique_ptr<ImageSource> opened(const ImagePlace& place, bool glance, const std::function<void(const std::string&)>& warn) {
  if (place.source == "folder")
    return image_folder({.path = place.path, .masks = place.masks, .total = place.total, .skip_unreadable = place.skip_unreadable, .glance = glance}, warn);
  if (!place.masks.empty())
    throw InputError("images.masks is for folders. Shards carry their masks: pack them with --masks, and leave images.masks out.");
  return image_shards({.path = place.path, .total = place.total, .glance = glance}, warn);
}

}  // namespace

std::optional<ImagePlace> image_place(const Settings& settings) {
  if (settings.string("images.source") == "dead-leaves") return std::nullopt;
  return ImagePlace{settings.string("images.source"), settings.string("images.path"), settings.string("images.masks"), settings.integer("images.total"),
                    settings.string("images.unreadable") == "skip"};
}

void glance_at(const ImagePlace& place) {
  opened(place, /*glance=*/true, [](const std::string&) {});   // what is skipped is told by those who skip it
}

std::unique_ptr<ImageSource> open_images(const Settings& settings,
                                         const std::function<void(const std::string&)>& warn) {
  if (const auto place = image_place(settings)) return opened(*place, /*glance=*/false, warn);
  const std::int64_t total = settings.integer("images.total");
  return dead_leaves(static_cast<std::uint64_t>(settings.integer("images.seed")), total ? total : 1000,
                     static_cast<int>(settings.integer("images.side")));
}

}  // namespace palimpsest
