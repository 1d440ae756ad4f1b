#include "launch/given_files.h"

#include <cerrno>

#include "runtime/durable_file.h"
#include "runtime/pending_file.h"

namespace palimpsest {

void prepare_file(const std::filesystem::path& file) {
  if (std::filesystem::is_directory(file)) cannot_write(file, EISDIR);
  prepare_folder(file.has_parent_path() ? file.parent_path() : std::filesystem::path("."));
}

void add_unreadable(CommandLine& command, std::string& unreadable) {
  command.add_option("--unreadable", unreadable, "what to do about images that cannot be read: stop (default) or skip, with a warning for each")
      ->one_of({"stop", "skip"});
}

ImageFolder image_folder_given(const std::filesystem::path& folder, const std::string& unreadable) {
  return {.path = folder, .skip_unreadable = unreadable == "skip", .how_to_skip = "Give --unreadable skip"};
}

}  // namespace palimpsest
