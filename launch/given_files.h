#pragma once

#include <filesystem>
#include <string>

#include "launch/command_line.h"
#include "runtime/image_folder.h"

namespace palimpsest {

/// The folder that a file is about to be written into is made where it is missing, before the work. Throws InputError, also where the file's name is
/// a folder's.
void prepare_file(const std::filesystem::path& file);

/// --unreadable skip|stop: what to do about files of --images that are no sound images.
void add_unreadable(CommandLine& command, std::string& unreadable);
ImageFolder image_folder_given(const std::filesystem::path& folder, const std::string& unreadable);

}  // namespace palimpsest
