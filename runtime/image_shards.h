#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "runtime/image_source.h"

namespace palimpsest {

/// Images in tar archives, in the layout of WebDataset: members that share a name up to the first point of their file
/// name are one sample, and what follows the point says what a member is.
///   dog/0007.jpg        the image (or .jpeg, .png)
///   dog/0007.mask.png   its figure mask, if it has one
///   dog/0007.cls        passed over, as all else
struct ImageShards {
  std::filesystem::path path;  // a folder of .tar files, one such file, or several as "train-{000000..000011}.tar"
  std::int64_t total = 0;      // the first so many images, 0: all
  bool glance = false;         // no image is decoded, and only the first few shards are looked into: to see what would be refused
};

/// The images in the order of the shards' names and of their members. Of at most 2,000 each is decoded once: a damaged
/// one is named to `warn` and skipped, and so is one without content; at the end `warn` is told how many. In a larger
/// set a damaged image is refused when it is asked for. Throws InputError: no shard there, one that is empty, cut off
/// or no tar archive, no image in any, fewer than `total`.
std::unique_ptr<ImageSource> image_shards(const ImageShards&, const std::function<void(const std::string&)>& warn);

/// A member's name as WebDataset splits it: the key up to the first point of the file name, and the ending after it in
/// small letters; an empty ending where there is no point.
struct SampleName {
  std::string key, ending;
  bool operator==(const SampleName&) const = default;
};
SampleName sample_name(const std::string& member);

}  // namespace palimpsest
