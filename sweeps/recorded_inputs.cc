#include "sweeps/recorded_inputs.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/durable_file.h"
#include "sweeps/ledger_json.h"

namespace palimpsest {
namespace {

constexpr std::size_t kHashDigits = 32;
constexpr std::uint32_t kHash = 0xffffffff;   // in place of a length: sixteen bytes of a hash follow
constexpr char kDigits[] = "0123456789abcdef";

int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

bool is_hash(const std::string& text) { return text.size() == kHashDigits && std::ranges::all_of(text, [](char c) { return digit(c) >= 0; }); }

void put_number(std::string& bytes, std::uint32_t number) { bytes.append(reinterpret_cast<const char*>(&number), sizeof number); }

std::uint32_t take_number(const char*& from) {
  std::uint32_t number;
  std::memcpy(&number, from, sizeof number);
  from += sizeof number;
  return number;
}

void put_value(std::string& bytes, const std::string& value) {
  if (!is_hash(value)) {
    put_number(bytes, static_cast<std::uint32_t>(value.size()));
    bytes += value;
    return;
  }
  put_number(bytes, kHash);
  for (std::size_t i = 0; i < kHashDigits; i += 2) bytes += static_cast<char>(digit(value[i]) << 4 | digit(value[i + 1]));
}

std::string take_value(const char*& from) {
  const std::uint32_t length = take_number(from);
  if (length != kHash) return std::string(std::exchange(from, from + length), length);
  std::string value;
  for (std::size_t i = 0; i < kHashDigits / 2; ++i) {
    const auto byte = static_cast<unsigned char>(*from++);
    value += kDigits[byte >> 4];
    value += kDigits[byte & 15];
  }
  return value;
}

}  // namespace

void RecordedInputs::add(const Inputs& inputs) {
  std::vector<std::string> names;
  for (const auto& [name, hash] : inputs.hashes) names.push_back(name);
  auto known = std::ranges::find(names_, names);
  if (known == names_.end()) known = names_.insert(known, std::move(names));
  put_number(bytes_, static_cast<std::uint32_t>(known - names_.begin()));
  for (const auto& [name, hash] : inputs.hashes) put_value(bytes_, hash);
  ends_.push_back(bytes_.size());
}

Inputs RecordedInputs::at(std::size_t place) const {
  const char* from = bytes_.data() + (place == 0 ? 0 : ends_[place - 1]);
  Inputs inputs;
  for (const std::string& name : names_[take_number(from)]) inputs.hashes.emplace_hint(inputs.hashes.end(), name, take_value(from));
  return inputs;
}

std::string RecordedInputs::hash() const {
  std::string all = bytes_;
  for (const auto& names : names_) all += to_json(names);
  return content_hash(all);
}

std::string RecordedInputs::text() const {
  std::string lines;
  for (std::size_t place = 0; place < size(); ++place) lines += to_json(at(place).hashes) + "\n";
  return lines;
}

RecordedInputs RecordedInputs::of_text(std::string_view lines) {
  RecordedInputs inputs;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    inputs.add({words_of_json(lines.substr(0, end))});
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return inputs;
}

}  // namespace palimpsest
