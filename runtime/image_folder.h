#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/image_source.h"

namespace palimpsest {

struct ImageFolder {
  std::filesystem::path path;
  std::filesystem::path masks = {};  // empty: none
  std::int64_t total = 0;            // the first so many, 0: all
  bool skip_unreadable = false;      // else they are refused
  std::string how_to_skip = "Set images.unreadable = \"skip\"";
  bool glance = false;               // only the headers are read, and of the first few hundred files alone: to see what would be refused
};

/// The JPEG and PNG files of a folder and its subfolders, in the order of their names; masks are found by name without
/// ending. Hidden files and files of other endings are passed over. Every image is decoded once to see that it is
/// sound; of more than 2,000, when unreadable ones are refused, only the headers are read, and a damaged image is
/// refused when it is asked for. Throws InputError: no such folder, no image in it, an unreadable one, a mask of
/// another size, fewer than `total`.
std::unique_ptr<ImageSource> image_folder(const ImageFolder&, const std::function<void(const std::string&)>& warn);

/// Those files, as paths relative to the folder, sorted byte by byte. Throws InputError where there is no such folder.
std::vector<std::string> image_names(const std::filesystem::path& folder);

}  // namespace palimpsest
