#include "runtime/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/safetensors_writer.h"
#include "runtime/settings.h"

namespace palimpsest {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors lie in files as little-endian bytes and are used as they lie");

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kLargestHeader = 100'000'000;

std::uint64_t header_length(std::span<const std::byte> file) {
  std::uint64_t length;
  std::memcpy(&length, file.data(), kLengthBytes);
  return length;
}

bool begins_with(std::span<const std::byte> bytes, std::string_view word) {
  return bytes.size() >= word.size() && std::memcmp(bytes.data(), word.data(), word.size()) == 0;
}

/// What people take for a safetensors file and is none.
std::string likely_kind(std::span<const std::byte> bytes) {
  if (begins_with(bytes, "version https://git-lfs"))
    return "This is a Git LFS pointer: fetch the file itself with git lfs pull.";
  if (begins_with(bytes, "PK\x03\x04") || begins_with(bytes, "\x80\x02"))
    return "This looks like a PyTorch file: palimpsest weights inspect tells the command that converts it.";
  return "It is no safetensors file, or cut off: get it again.";
}

}  // namespace

struct SafetensorsFile::Mapping {
  explicit Mapping(const std::filesystem::path& file) : path(file) {
    map();
    try {
      parse();
    } catch (...) {
      unmap();
      throw;
    }
  }
  ~Mapping() { unmap(); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  void map() {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) fail_to_read(errno);
    struct stat facts {};
    void* address = MAP_FAILED;
    int error = ::fstat(descriptor, &facts) == 0 ? 0 : errno;
    if (!error && S_ISDIR(facts.st_mode)) error = EISDIR;
    const auto size = static_cast<std::size_t>(facts.st_size);
    if (!error && size >= kLengthBytes) {
      address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
      if (address == MAP_FAILED) error = errno;
    }
    ::close(descriptor);
    if (error) fail_to_read(error);
    if (address == MAP_FAILED)
      throw InputError(path.string() + ": " + std::to_string(size) +
                       " bytes are too few for a safetensors file. Get it again.");
    bytes = {static_cast<const std::byte*>(address), size};
  }

  void parse() {
    const std::uint64_t length = header_length(bytes), rest = bytes.size() - kLengthBytes;
    if (length > kLargestHeader || length > rest)
      throw InputError(
          path.string() + ": its first bytes tell of a header of " + std::to_string(length) + " bytes, but " +
          (length > rest ? std::to_string(rest) + " follow. " : "at most 100 MB are read. ") + likely_kind(bytes));
    data = bytes.subspan(kLengthBytes + length);
    header = parse_safetensors_header(bytes.subspan(kLengthBytes, length), data.size(), path.string());
  }

  void unmap() { ::munmap(const_cast<std::byte*>(bytes.data()), bytes.size()); }

  [[noreturn]] void fail_to_read(int error) const {
    throw InputError(path.string() + ": cannot be read: " + std::generic_category().message(error) +
                     ". Check the path and its permissions.");
  }

  std::filesystem::path path;
  std::span<const std::byte> bytes, data;  // the file; what follows its header
  SafetensorsHeader header;
};

SafetensorsFile::SafetensorsFile(const std::filesystem::path& file) : mapping_(std::make_unique<Mapping>(file)) {}
SafetensorsFile::~SafetensorsFile() = default;
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;

const std::filesystem::path& SafetensorsFile::path() const { return mapping_->path; }
const std::map<std::string, TensorEntry>& SafetensorsFile::tensors() const { return mapping_->header.tensors; }
const std::map<std::string, std::string>& SafetensorsFile::metadata() const { return mapping_->header.metadata; }

std::span<const std::byte> SafetensorsFile::bytes(const std::string& tensor) const {
  const auto found = tensors().find(tensor);
  if (found != tensors().end())
    return mapping_->data.subspan(found->second.begin, found->second.end - found->second.begin);
  std::vector<std::string> names;
  for (const auto& [name, entry] : tensors()) names.push_back(name);
  const auto meant = nearest(tensor, names);
  throw InputError(path().string() + ": there is no tensor " + tensor + " in it." +
                   (meant ? " The nearest name is " + *meant + "." : ""));
}

void write_safetensors(const std::filesystem::path& file, std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<TensorRoom> rooms;
  for (const TensorView& tensor : tensors) rooms.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes.size()});
  const auto layout = lay_out(rooms, metadata, file.string());
  std::vector<std::span<const std::byte>> parts = {std::as_bytes(std::span(layout.start))};
  for (const std::size_t place : layout.order) parts.push_back(tensors[place].bytes);
  write_durably(file, parts);
}

}  // namespace palimpsest
