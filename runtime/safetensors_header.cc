// The header of a safetensors file (https://github.com/huggingface/safetensors, "Format"):
//
//   {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__": {"KEY": "TEXT", ...}}
//
// Offsets count from the end of the header; tensors fill the data without overlap or hole; no name occurs twice.

#include <algorithm>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

#include "runtime/error.h"
#include "runtime/safetensors.h"

namespace palimpsest {
namespace {

constexpr const char* kMetadata = "__metadata__";

/// Takes the parser's events one at a time, so that a name that occurs twice is seen; a tree of the JSON would keep one
/// of them.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(const std::string& file) : file_(file) {}
  SafetensorsHeader take() { return std::move(header_); }

  [[noreturn]] void refuse(const std::string& what) const {
    throw InputError(file_ + ": " + (tensor_.empty() ? "its header" : "tensor " + tensor_) + " " + what +
                     ". The file is damaged: get it again.");
  }

  bool start_object(std::size_t) override {
    switch (place_) {
      case Place::kStart:
        return go(Place::kHeader);
      case Place::kHeader:
        return tensor_ == kMetadata ? go(Place::kMetadata) : start_tensor();
      default:
        refuse("holds an object where none belongs");
    }
  }

  bool key(std::string& name) override {
    if (place_ == Place::kHeader) {
      tensor_ = name;
      if (!names_.insert(name).second) refuse("occurs twice");
    } else if (place_ == Place::kMetadata) {
      if (header_.metadata.contains(name)) refuse("tells " + name + " twice");
      field_ = name;
    } else {
      if (!fields_.insert(name).second) refuse("has " + name + " twice");
      if (name != "dtype" && name != "shape" && name != "data_offsets")
        refuse("has a field " + name + ", which is unknown");
      field_ = name;
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTensor) finish_tensor();
    tensor_.clear();
    return go(place_ == Place::kHeader ? Place::kEnd : Place::kHeader);
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::kTensor || field_ == "dtype") refuse("holds a list where none belongs");
    numbers_.clear();
    return go(Place::kList);
  }

  bool end_array() override {
    if (field_ == "shape")
      shape_ = numbers_;
    else
      offsets_ = numbers_;
    return go(Place::kTensor);
  }

  bool string(std::string& text) override {
    if (place_ == Place::kMetadata)
      header_.metadata.emplace(field_, text);
    else if (place_ == Place::kTensor && field_ == "dtype")
      dtype_ = text;
    else
      refuse("holds a text where none belongs");
    return true;
  }

  bool number_unsigned(std::uint64_t number) override {
    if (place_ != Place::kList) refuse("holds a number where none belongs");
    numbers_.push_back(number);
    return true;
  }
  bool number_integer(std::int64_t) override { refuse("holds a negative number"); }
  bool number_float(double, const std::string& text) override {
    refuse("holds " + text + ", which is no whole number of 64 bits");
  }
  bool null() override { refuse("holds null"); }
  bool boolean(bool) override { refuse("holds true or false"); }
  bool binary(nlohmann::json::binary_t&) override { refuse("holds binary data"); }
  bool parse_error(std::size_t place, const std::string&, const nlohmann::json::exception&) override {
    tensor_.clear();
    refuse("is not JSON (at its byte " + std::to_string(place) + ")");
  }

 private:
  enum class Place { kStart, kHeader, kMetadata, kTensor, kList, kEnd };
  bool go(Place place) {
    place_ = place;
    return true;
  }

  bool start_tensor() {
    fields_.clear();
    shape_.reset();
    offsets_.reset();
    return go(Place::kTensor);
  }

  void finish_tensor() {
    if (fields_.size() != 3 || !shape_ || !offsets_) refuse("lacks its dtype, shape or data_offsets");
    TensorEntry entry;
    entry.dtype = dtype_;
    const std::uint64_t size = byte_count(entry);
    if (offsets_->size() != 2) refuse("has " + std::to_string(offsets_->size()) + " data_offsets, not 2");
    entry.begin = (*offsets_)[0], entry.end = (*offsets_)[1];
    if (entry.begin > entry.end) refuse("ends before it begins");
    if (entry.end - entry.begin != size)
      refuse("has " + std::to_string(entry.end - entry.begin) + " bytes, but its dtype and shape need " +
             std::to_string(size));
    header_.tensors.emplace(tensor_, std::move(entry));
  }

  /// Bytes that dtype and shape need; fills the entry's shape.
  std::uint64_t byte_count(TensorEntry& entry) const {
    std::uint64_t size = dtype_size(entry.dtype);
    if (size == 0) refuse("has the dtype " + entry.dtype + ", which is unknown");
    bool empty = false;
    for (const std::uint64_t length : *shape_) {
      if (length > std::uint64_t{INT64_MAX}) refuse("has a side of " + std::to_string(length));
      entry.shape.push_back(static_cast<std::int64_t>(length));
      if (length == 0)
        empty = true;
      else if (__builtin_mul_overflow(size, length, &size))
        refuse("has more elements than 64 bits can count");
    }
    return empty ? 0 : size;
  }

  const std::string& file_;
  SafetensorsHeader header_;
  Place place_ = Place::kStart;
  std::string tensor_, field_;
  std::set<std::string> names_, fields_;
  std::string dtype_;
  std::vector<std::uint64_t> numbers_;
  std::optional<std::vector<std::uint64_t>> shape_, offsets_;
};

/// Tensors must lie one after another from the first byte of the data to the last.
void check_layout(const SafetensorsHeader& header, std::uint64_t data_size, const std::string& file) {
  std::vector<std::pair<const TensorEntry*, const std::string*>> order;
  for (const auto& [name, entry] : header.tensors) order.emplace_back(&entry, &name);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first->begin, a.first->end) < std::pair(b.first->begin, b.first->end);
  });
  const auto refuse = [&](const std::string& what) {
    throw InputError(file + ": " + what + ". The file is damaged or cut off: get it again.");
  };
  std::uint64_t reached = 0;
  for (const auto& [entry, name] : order) {
    if (entry->begin < reached) refuse("tensor " + *name + " overlaps the one before it");
    if (entry->begin > reached)
      refuse("there is a hole of " + std::to_string(entry->begin - reached) + " bytes before tensor " + *name);
    if (entry->end > data_size)
      refuse("tensor " + *name + " ends at byte " + std::to_string(entry->end) + " of the data, of which there are " +
             std::to_string(data_size));
    reached = entry->end;
  }
  if (reached != data_size) refuse(std::to_string(data_size - reached) + " bytes after the last tensor belong to none");
}

}  // namespace

std::size_t dtype_size(const std::string& dtype) {
  static const std::map<std::string, std::size_t> sizes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"I16", 2}, {"U16", 2}, {"F16", 2},
      {"BF16", 2}, {"I32", 4}, {"U32", 4}, {"F32", 4},     {"I64", 8},     {"U64", 8}, {"F64", 8}, {"C64", 8}};
  const auto found = sizes.find(dtype);
  return found == sizes.end() ? 0 : found->second;
}

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> header, std::uint64_t data_size,
                                           const std::string& name) {
  HeaderReader reader(name);
  if (header.empty() || header.front() != std::byte{'{'}) reader.refuse("does not begin with {");
  const auto* text = reinterpret_cast<const char*>(header.data());
  nlohmann::json::sax_parse(text, text + header.size(), &reader);
  SafetensorsHeader parsed = reader.take();
  check_layout(parsed, data_size, name);
  return parsed;
}

}  // namespace palimpsest
