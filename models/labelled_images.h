#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/image_folder.h"

namespace palimpsest {

/// Images of classes.
struct LabelledImages {
  std::int64_t count() const { return static_cast<std::int64_t>(labels.size()); }
  std::function<Image(std::int64_t index, int side)> square;  // side x side, as the encoder is to see it
  std::vector<std::int64_t> labels;                           // class of each image
  std::vector<std::string> classes;                           // in the order of their names
  std::vector<bool> held_out;                                 // a split that came with them; empty: none did
};

/// FOLDER/CLASS/... , or FOLDER/train/CLASS/... and FOLDER/test/CLASS/... (then held out is `test`). Throws InputError:
/// images that lie in no class, fewer than two classes, classes of one part that the other lacks, unreadable images.
LabelledImages labelled_folder(const ImageFolder& folder, const std::function<void(const std::string&)>& warn);

/// Families of dead leaves: a family is one made picture, its members are crops of it of half to all of its side, half
/// of them mirrored. What a read-out must find out is of which picture it sees a part.
LabelledImages dead_leaves_families(std::uint64_t seed, std::int64_t families, std::int64_t members);

}  // namespace palimpsest
