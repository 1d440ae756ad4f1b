#include "runtime/event_file.h"
#include "runtime/host_name.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <optional>
#include <vector>

#include "runtime/clock.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFileStart = "events.out.tfevents.";
constexpr std::uint64_t kColour = 3;  // channels of an image

enum WireType : std::uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void add_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

template <class Number>
void add_raw(std::string& out, Number number) {
  static_assert(std::endian::native == std::endian::little);
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void add_field(std::string& out, std::uint64_t field, WireType type) { add_varint(out, field << 3 | type); }
void add_integer(std::string& out, std::uint64_t field, std::uint64_t value) {
  add_field(out, field, kVarint);
  add_varint(out, value);
}
void add_bytes(std::string& out, std::uint64_t field, std::string_view bytes) {
  add_field(out, field, kBytes);
  add_varint(out, bytes.size());
  out += bytes;
}

std::string event_at(std::int64_t step) {
  std::string event;
  add_field(event, 1, kFixed64);
  add_raw(event, unix_time());
  add_integer(event, 2, static_cast<std::uint64_t>(step));
  return event;
}

std::string summary_event(std::int64_t step, const std::string& value) {
  std::string summary, event = event_at(step);
  add_bytes(summary, 1, value);
  add_bytes(event, 5, summary);
  return event;
}

std::uint32_t masked(std::uint32_t crc) { return std::rotr(crc, 15) + 0xa282ead8u; }

std::string record(const std::string& event) {
  std::string out;
  add_raw(out, static_cast<std::uint64_t>(event.size()));
  add_raw(out, masked(crc32c(out)));
  out += event;
  add_raw(out, masked(crc32c(event)));
  return out;
}

std::optional<std::uint64_t> take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

/// How many bytes a field's value takes.
std::size_t length_of(std::uint64_t type, std::string_view& bytes) {
  switch (type) {
    case kFixed64:
      return 8;
    case kFixed32:
      return 4;
    case kBytes:
      return take_varint(bytes).value_or(bytes.size());
    default:
      return bytes.size();
  }
}

/// An event's field 2; 0 where it has none.
std::int64_t step_of(std::string_view event) {
  while (!event.empty()) {
    const auto key = take_varint(event);
    if (!key) return 0;
    if (*key >> 3 == 2) return static_cast<std::int64_t>(take_varint(event).value_or(0));
    if ((*key & 7) == kVarint)
      take_varint(event);
    else
      event.remove_prefix(std::min(length_of(*key & 7, event), event.size()));
  }
  return 0;
}

/// The next whole record of a file; empty at its end, or where it is cut off.
std::string_view take_record(std::string_view& bytes) {
  constexpr std::size_t kBefore = 12, kAround = 16;
  std::uint64_t length = 0;
  if (bytes.size() < kAround) return {};
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > bytes.size() - kAround) return {};
  const std::string_view taken = bytes.substr(0, length + kAround), event = taken.substr(kBefore, length);
  std::uint32_t sum = 0;
  std::memcpy(&sum, taken.data() + kBefore + length, sizeof sum);
  if (sum != masked(crc32c(event))) return {};
  bytes.remove_prefix(taken.size());
  return event;
}

/// Keeps what lies at or before `step`. A file that tells of no step is removed.
void cut_after(const fs::path& file, std::int64_t step) {
  const std::string whole = read_file(file);
  std::string kept;
  bool any = false;
  std::string_view rest = whole;
  for (std::string_view event; !(event = take_record(rest)).empty();) {
    const std::int64_t at = step_of(event);
    if (at > step || (at > 0 && step == 0)) continue;
    kept += record(std::string(event));
    any |= at > 0;
  }
  if (!any)
    fs::remove(file);
  else if (kept != whole)
    write_durably(file, kept);
}

std::vector<fs::path> event_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().starts_with(kFileStart)) files.push_back(entry.path());
  return files;
}

/// TensorBoard reads the files of a folder in the order of their names: later ones must come later.
fs::path next_file(const fs::path& folder) {
  for (auto seconds = static_cast<std::int64_t>(unix_time());; ++seconds) {
    const std::string start = std::string(kFileStart) + std::to_string(seconds) + ".";
    const auto files = event_files(folder);
    const bool last =
        std::all_of(files.begin(), files.end(), [&](const fs::path& file) { return file.filename().string() < start; });
    if (last) return folder / (start + host_name() + "." + std::to_string(::getpid()));
  }
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> made{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      made[i] = i;
      for (int bit = 0; bit < 8; ++bit) made[i] = made[i] >> 1 ^ (made[i] & 1 ? 0x82F63B78u : 0);
    }
    return made;
  }();
  std::uint32_t crc = ~0u;
  for (const char byte : bytes) crc = crc >> 8 ^ table[(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  return ~crc;
}

EventFile::EventFile(const fs::path& folder, std::int64_t step) {
  prepare_folder(folder);
  for (const fs::path& file : event_files(folder)) cut_after(file, step);
  const fs::path file = next_file(folder);
  file_.open(file, std::ios::binary);
  if (!file_) throw InputError(file.string() + ": cannot be written. Name a folder that can be written to.");
  std::string version, started, start = event_at(step + 1);
  add_field(version, 1, kFixed64);
  add_raw(version, unix_time());
  add_bytes(version, 3, "brain.Event:2");
  write(version);
  add_integer(started, 1, 1);  // tells a TensorBoard that has read the repeated steps already to forget them
  add_bytes(start, 7, started);
  write(start);
  flush();
}

void EventFile::scalar(std::int64_t step, std::string_view tag, double value) {
  std::string out;
  add_bytes(out, 1, tag);
  add_field(out, 2, kFixed32);
  add_raw(out, static_cast<float>(value));
  write(summary_event(step, out));
}

void EventFile::image(std::int64_t step, std::string_view tag, const Image& picture) {
  const std::vector<std::byte> png = encode_png(picture);
  std::string image, out;
  add_integer(image, 1, static_cast<std::uint64_t>(picture.height));
  add_integer(image, 2, static_cast<std::uint64_t>(picture.width));
  add_integer(image, 3, kColour);
  add_bytes(image, 4, {reinterpret_cast<const char*>(png.data()), png.size()});
  add_bytes(out, 1, tag);
  add_bytes(out, 4, image);
  write(summary_event(step, out));
}

void EventFile::flush() { file_.flush(); }

void EventFile::write(const std::string& event) {
  const std::string bytes = record(event);
  file_.write(bytes.data(), std::ssize(bytes));
}

}  // namespace palimpsest
