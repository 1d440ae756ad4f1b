#include "runtime/tensor_file.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "runtime/error.h"
#include "runtime/image.h"

namespace palimpsest {
namespace {

// How safetensors calls a type, and how LibTorch does.
constexpr std::array<std::pair<const char*, at::ScalarType>, 10> kTypes = {{{"F32", at::kFloat},
                                                                            {"F64", at::kDouble},
                                                                            {"F16", at::kHalf},
                                                                            {"BF16", at::kBFloat16},
                                                                            {"I64", at::kLong},
                                                                            {"I32", at::kInt},
                                                                            {"I16", at::kShort},
                                                                            {"I8", at::kChar},
                                                                            {"U8", at::kByte},
                                                                            {"BOOL", at::kBool}}};

const char* name_of(at::ScalarType type) {
  for (const auto& [name, known] : kTypes)
    if (known == type) return name;
  throw std::logic_error(fmt::format("tensor_file: no safetensors name for {}", at::toString(type)));
}

}  // namespace

at::Tensor read_tensor(const SafetensorsFile& file, const std::string& name) {
  const auto bytes = file.bytes(name);
  const TensorEntry& entry = file.tensors().at(name);
  const auto type = std::ranges::find(kTypes, entry.dtype, [](const auto& known) { return std::string(known.first); });
  if (type == kTypes.end())
    throw InputError(fmt::format("{}: tensor {} has type {}, which this program does not compute with. Convert it to F32.",
                                 file.path().string(), name, entry.dtype));
  auto tensor = at::empty(entry.shape, type->second);
  if (!bytes.empty()) std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
  return tensor;
}

TensorMap read_tensors(const std::filesystem::path& file) {
  const SafetensorsFile mapped(file);
  TensorMap tensors;
  for (const auto& [name, entry] : mapped.tensors()) tensors[name] = read_tensor(mapped, name);
  return tensors;
}

void write_tensors(const std::filesystem::path& file, const TensorMap& tensors, const std::map<std::string, std::string>& metadata) {
  std::vector<at::Tensor> kept;  // what the views look into
  std::vector<TensorView> views;
  for (const auto& [name, tensor] : tensors) {
    const auto& whole = kept.emplace_back(tensor.detach().cpu().contiguous());
    views.push_back({name, name_of(whole.scalar_type()), whole.sizes().vec(), {static_cast<const std::byte*>(whole.data_ptr()), whole.nbytes()}});
  }
  write_safetensors(file, views, metadata);
}

at::Tensor to_tensor(const std::vector<Image>& images) {
  const std::int64_t B = std::ssize(images), H = B ? images[0].height : 0, W = B ? images[0].width : 0;
  auto tensor = at::empty({B, 3, H, W}, at::kFloat);
  float* out = tensor.data_ptr<float>();
  for (const Image& image : images) {
    if (image.height != H || image.width != W) throw std::logic_error("to_tensor: images of one tensor have one size");
    for (int channel = 0; channel < 3; ++channel)
      for (std::int64_t i = 0; i < H * W; ++i) *out++ = image.rgb[3 * i + channel] / 255.0f;
  }
  return tensor;
}

Image to_image(const at::Tensor& chw) {
  const auto pixels = chw.detach().cpu().to(at::kFloat).contiguous();
  Image image{static_cast<int>(pixels.size(2)), static_cast<int>(pixels.size(1)), {}};
  const std::int64_t n = pixels.size(1) * pixels.size(2);
  image.rgb.resize(3 * n);
  const float* in = pixels.data_ptr<float>();
  for (int channel = 0; channel < 3; ++channel)
    for (std::int64_t i = 0; i < n; ++i) {
      const float value = *in++;  // a reconstruction that is not a number is drawn black
      image.rgb[3 * i + channel] = static_cast<std::uint8_t>(std::lround(255.0f * (value > 0 ? std::min(value, 1.0f) : 0.0f)));
    }
  return image;
}

}  // namespace palimpsest
