#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "runtime/tensor_file.h"

namespace palimpsest {

/// The tensors of one model: a safetensors file, several that a `model.safetensors.index.json` joins, or a folder that
/// holds either.
class WeightFiles {
 public:
  /// Throws InputError: nothing there, a PyTorch file (with the command that converts it), a damaged file, several
  /// files of which none is named.
  explicit WeightFiles(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }  // the file itself where a folder was named
  std::vector<std::string> keys() const;                       // sorted
  const TensorEntry* find(const std::string& key) const;       // nullptr where it is not there
  at::Tensor read(const std::string& key) const;               // in its own type
  const std::map<std::string, std::string>& metadata() const { return files_.front().metadata(); }

 private:
  const SafetensorsFile* file_of(const std::string& key) const;
  std::filesystem::path path_;
  std::vector<SafetensorsFile> files_;
};

/// The command that turns a PyTorch file into a safetensors file; empty where `file` is none.
std::string conversion_command(const std::filesystem::path& file);

}  // namespace palimpsest
