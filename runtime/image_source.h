#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "runtime/image.h"
#include "runtime/settings.h"

namespace palimpsest {

/// Images by number, the same number always the same image. Safe to read from several threads.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  virtual std::int64_t count() const = 0;
  virtual std::string name(std::int64_t index) const = 0;
  virtual Image image(std::int64_t index) const = 0;                 // throws InputError that names it
  /// A part of it (decode_part): what training cuts out, without decoding the rest where that can be.
  virtual Image part(std::int64_t index, int side, const std::function<Box(ImageSize)>& choose) const;
  virtual std::int64_t bytes(std::int64_t) const { return 0; }       // of its file; 0 where it is made
  virtual std::optional<Mask> mask(std::int64_t index) const = 0;    // of the image's size; none where there is none
  virtual bool has_masks() const = 0;
  virtual std::string hash(std::int64_t index) const = 0;            // XXH3-128 of the content, in hex: part of a run's identity
};

/// The keys "images.source", "images.path", "images.masks", "images.seed", "images.total", "images.unreadable" (refuse | skip),
/// "images.side" (of dead leaves): shared by pretraining and every study.
const KeyTable& image_keys();

/// What they name. `warn` is told each unreadable image that is skipped. Throws InputError (no such folder, no image in
/// it, an unreadable one under "refuse", a mask of another size).
std::unique_ptr<ImageSource> open_images(const Settings&, const std::function<void(const std::string&)>& warn);

/// A place that images are read from, as far as a glance at it needs.
struct ImagePlace {
  std::string source;                  // "folder" or "shards"
  std::filesystem::path path, masks;
  std::int64_t total = 0;
  bool skip_unreadable = false;
  bool operator==(const ImagePlace&) const = default;
};
std::optional<ImagePlace> image_place(const Settings&);   // none where images are made

/// What open_images would refuse and is seen in a moment: no such folder or shards, none in it, files among the first few hundred that are no images.
/// Throws InputError in its words.
void glance_at(const ImagePlace&);

/// Dead leaves (Lee, Mumford & Huang 2001): opaque textured discs with power-law radii that occlude each other, the last one in the
/// middle being the figure, with its exact mask. Image `index` is a function of (seed, index, side) alone.
std::unique_ptr<ImageSource> dead_leaves(std::uint64_t seed, std::int64_t count, int side);

}  // namespace palimpsest
