#pragma once

#include <filesystem>
#include <vector>

namespace palimpsest {

/// The shards that a path names: a .tar file; the .tar files of a folder, in the order of their names; or the files of
/// a pattern, "train-{000000..000011}.tar", as WebDataset writes it. Throws InputError: nothing there, a number of the
/// pattern missing.
std::vector<std::filesystem::path> shard_files(const std::filesystem::path&);

}  // namespace palimpsest
