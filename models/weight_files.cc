#include "models/weight_files.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;

bool is_zip(const std::string& start) { return start.starts_with("PK\x03\x04"); }
bool is_pickle(const std::string& start) {
  return start.size() > 1 && start[0] == '\x80' && start[1] >= '\x02' && start[1] <= '\x05';
}

// The directory of a zip archive is its end; TorchScript keeps its code there.
bool is_torchscript(const fs::path& file) {
  const auto text = read_file(file);
  return std::string_view(text).substr(text.size() - std::min<std::size_t>(text.size(), 1 << 20)).find("/code/") !=
         std::string_view::npos;
}

std::vector<fs::path> safetensors_in(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors") found.push_back(entry.path());
  std::ranges::sort(found);
  return found;
}

fs::path first_pytorch_file_in(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file() && !conversion_command(entry.path()).empty()) return entry.path();
  return {};
}

fs::path file_in(const fs::path& folder) {
  for (const char* name : {"model.safetensors", "model.safetensors.index.json", "open_clip_model.safetensors",
                           "adapter_model.safetensors", "weights.safetensors"})
    if (fs::exists(folder / name)) return folder / name;
  const auto found = safetensors_in(folder);
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    if (const auto other = first_pytorch_file_in(folder); !other.empty()) return other;
    throw InputError(fmt::format("{}: holds no safetensors file. Name the file itself.", folder.string()));
  }
  std::vector<std::string> names;
  for (const auto& file : found) names.push_back(file.filename().string());
  throw InputError(fmt::format("{}: holds {} safetensors files: {}. Name one of them.", folder.string(), names.size(),
                               fmt::join(names, ", ")));
}

std::vector<SafetensorsFile> joined_by(const fs::path& index) {
  const auto json = nlohmann::json::parse(read_file(index), nullptr, false);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
    throw InputError(
        fmt::format("{}: has no \"weight_map\". Get it again, or name a safetensors file.", index.string()));
  std::set<std::string> names;
  for (const auto& [key, name] : json["weight_map"].items()) {
    if (!name.is_string() || fs::path(name.get<std::string>()).filename() != name.get<std::string>())
      throw InputError(fmt::format("{}: {} lies in no file beside it. Get it again.", index.string(), key));
    names.insert(name.get<std::string>());
  }
  std::vector<SafetensorsFile> files;
  for (const auto& name : names) files.emplace_back(index.parent_path() / name);
  if (files.empty()) throw InputError(fmt::format("{}: names no file. Get it again.", index.string()));
  return files;
}

void refuse_pytorch(const fs::path& file) {
  if (const auto command = conversion_command(file); !command.empty())
    throw InputError(fmt::format(
        "{}: is a PyTorch file, which could run any program when it is read. Where you trust it, convert it:\n  {}",
        file.string(), command));
}

}  // namespace

std::string conversion_command(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return {};
  const auto start = read_start(file, 8);
  if (!is_zip(start) && !is_pickle(start)) return {};
  auto out = file;
  out.replace_extension(".safetensors");
  if (is_zip(start) && is_torchscript(file))
    return fmt::format(
        "python -c \"import torch, safetensors.torch as s; w = torch.jit.load('{}', map_location='cpu').state_dict(); "
        "s.save_file({{k: v.clone() for k, v in w.items()}}, '{}')\"",
        file.string(), out.string());
  return fmt::format(
      "python -c \"import torch, safetensors.torch as s; w = torch.load('{}', map_location='cpu', weights_only=True); "
      "w = w.get('state_dict', w.get('model', w)); s.save_file({{k: v.clone() for k, v in w.items() if "
      "torch.is_tensor(v)}}, '{}')\"",
      file.string(), out.string());
}

WeightFiles::WeightFiles(const fs::path& path) : path_(path) {
  if (fs::is_directory(path_)) path_ = file_in(path_);
  refuse_pytorch(path_);
  if (path_.extension() == ".json")
    files_ = joined_by(path_);
  else
    files_.emplace_back(path_);
}

std::vector<std::string> WeightFiles::keys() const {
  std::vector<std::string> keys;
  for (const auto& file : files_)
    for (const auto& [key, entry] : file.tensors()) keys.push_back(key);
  std::ranges::sort(keys);
  return keys;
}

const SafetensorsFile* WeightFiles::file_of(const std::string& key) const {
  const auto found =
      std::ranges::find_if(files_, [&](const SafetensorsFile& file) { return file.tensors().contains(key); });
  return found == files_.end() ? nullptr : &*found;
}

const TensorEntry* WeightFiles::find(const std::string& key) const {
  const auto* file = file_of(key);
  return file ? &file->tensors().at(key) : nullptr;
}

at::Tensor WeightFiles::read(const std::string& key) const {
  const auto* file = file_of(key);
  return read_tensor(file ? *file : files_.front(), key);  // the second throws with the nearest name
}

}  // namespace palimpsest
