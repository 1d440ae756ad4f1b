#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace palimpsest {

/// A folder under the system's temporary one that no other has, gone with this. Where it cannot be made the path is empty.
class ScratchFolder {
 public:
  explicit ScratchFolder(const std::string& name) {   // of it the beginning
    std::string path = (std::filesystem::temp_directory_path() / (name + "-XXXXXX")).string();
    if (mkdtemp(path.data())) path_ = path;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace palimpsest
