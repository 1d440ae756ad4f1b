#include "runtime/safetensors_writer.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <tuple>

#include <nlohmann/json.hpp>

#include "runtime/safetensors.h"

namespace palimpsest {

SafetensorsLayout lay_out(std::span<const TensorRoom> tensors, const std::map<std::string, std::string>& metadata, const std::string& file) {
  SafetensorsLayout out;
  for (std::size_t place = 0; place < tensors.size(); ++place) out.order.push_back(place);
  // Wide types first, so that each tensor starts at a multiple of its type's size: readers that map the file need that.
  std::ranges::sort(out.order, [&](std::size_t x, std::size_t y) {
    const auto &a = tensors[x], &b = tensors[y];
    return std::forward_as_tuple(dtype_size(b.dtype), a.name) < std::forward_as_tuple(dtype_size(a.dtype), b.name);
  });

  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const std::size_t place : out.order) {
    const auto& tensor = tensors[place];
    header[tensor.name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + tensor.bytes}}};
    out.begin[tensor.name] = offset;
    offset += tensor.bytes;
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  // What is written is what the reader accepts, or it is not written.
  parse_safetensors_header(std::as_bytes(std::span(text)), offset, file);

  const std::uint64_t length = text.size();
  out.start.resize(sizeof length);
  std::memcpy(out.start.data(), &length, sizeof length);
  out.start += text;
  for (auto& [name, begin] : out.begin) begin += out.start.size();
  return out;
}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& file, std::span<const TensorRoom> tensors,
                                     const std::map<std::string, std::string>& metadata)
    : file_(file) {
  const auto layout = lay_out(tensors, metadata, file.string());
  for (const auto& tensor : tensors) places_[tensor.name] = {layout.begin.at(tensor.name), layout.begin.at(tensor.name) + tensor.bytes};
  file_.append(std::as_bytes(std::span(layout.start)));
}

void SafetensorsWriter::append(const std::string& tensor, std::span<const std::byte> bytes) {
  auto& place = places_.at(tensor);
  if (bytes.size() > place.end - place.next) throw std::logic_error("safetensors: more bytes of " + tensor + " than were told of");
  file_.write_at(place.next, bytes);
  place.next += bytes.size();
}

void SafetensorsWriter::finish() {
  for (const auto& [name, place] : places_)
    if (place.next != place.end) throw std::logic_error("safetensors: fewer bytes of " + name + " than were told of");
  file_.sync();
  file_.rename();
  file_.sync_folder();
}

}  // namespace palimpsest
