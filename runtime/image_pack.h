#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace palimpsest {

/// A folder of images to be packed into tar shards.
struct ImagePack {
  std::filesystem::path folder = {};
  std::filesystem::path masks = {};                    // empty: none; else named as the images, apart from the ending
  std::filesystem::path out = {};                      // a new folder: shard-000000.tar, ..., classes.txt
  int side = 0;                                        // a longer short side is reduced to it; 0: images as they are
  int quality = 95;                                    // of the JPEGs that reduced ones are written as
  std::int64_t shard_bytes = std::int64_t{256} << 20;  // a shard is closed when it has so many
  int threads = 1;
  std::function<void(const std::string&)> warn = {};  // told each file that is left out, and why
  std::function<void(std::int64_t done, std::int64_t all)> progress = {};
  std::function<bool()> should_stop = {};  // true: Interrupted
};

struct Packed {
  std::int64_t images = 0, masks = 0, shards = 0, left_out = 0, bytes = 0;
};

/// Writes the shards (layout: image_shards.h) in the order of the images' names. An image keeps its folder and name,
/// points within which become underscores, and, where it is not reduced, its bytes; PNGs stay PNGs. Where every image
/// lies in a subfolder, that is its label: KEY.cls holds its number, classes.txt the names, a line each. The folder
/// `out` comes to be when all is written. Equal folders give equal bytes, whatever the threads. Throws InputError: no
/// image, none readable, `out` there already; Interrupted: stopped, a full disk.
Packed pack_images(const ImagePack&);

}  // namespace palimpsest
