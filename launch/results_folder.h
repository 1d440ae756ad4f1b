#pragma once

#include <filesystem>

namespace palimpsest {

// A folder holds the results of a sweep or those of a pretraining: each has a log of its own, its definition and files that the other would not know of.

/// Throws InputError where a folder that a sweep is about to write into holds a pretraining's results.
void refuse_folder_of_pretraining(const std::filesystem::path& out);

/// Throws InputError where a folder that a pretraining is about to write into holds a sweep's results.
void refuse_folder_of_sweep(const std::filesystem::path& out);

}  // namespace palimpsest
