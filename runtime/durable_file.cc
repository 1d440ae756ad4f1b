#include "runtime/durable_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <vector>

#include <xxhash.h>

#include "runtime/crash_point.h"
#include "runtime/error.h"
#include "runtime/pending_file.h"

namespace palimpsest {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

[[noreturn]] void cannot_read(const std::filesystem::path& file, int error) {
  throw InputError(file.string() + ": cannot be read: " + reason(error) + ". Check the path and its permissions.");
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  bool ok() const { return number_ >= 0; }

 private:
  int number_;
};

std::string hex(const XXH128_hash_t& hash) {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, hash);
  std::string out(2 * sizeof bytes.digest, '0');
  for (std::size_t i = 0; i < sizeof bytes.digest; ++i) {
    out[2 * i] = "0123456789abcdef"[bytes.digest[i] >> 4];
    out[2 * i + 1] = "0123456789abcdef"[bytes.digest[i] & 15];
  }
  return out;
}

/// Hands the file's bytes to `take` in order, until it returns false.
template <class Take>
void read_in_parts(const std::filesystem::path& file, Take take) {
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!descriptor.ok()) cannot_read(file, errno);
  std::vector<char> part(1 << 18);
  for (;;) {
    const ssize_t got = ::read(descriptor.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) cannot_read(file, errno);
    if (got == 0) return;
    if (!take(std::string_view(part.data(), static_cast<std::size_t>(got)))) return;
  }
}

}  // namespace

void write_durably(const std::filesystem::path& file, std::span<const std::byte> bytes) {
  write_durably(file, std::span(&bytes, 1));
}

void write_durably(const std::filesystem::path& file, std::span<const std::span<const std::byte>> parts) {
  PendingFile pending(file);
  for (const auto& part : parts) {
    crash_point("before-write");
    pending.append(part.first(part.size() / 2));
    crash_point("half-written");
    pending.append(part.subspan(part.size() / 2));
  }
  crash_point("before-fsync");
  pending.sync();
  crash_point("before-rename");
  pending.rename();
  crash_point("after-rename");
  pending.sync_folder();
  crash_point("after-folder-fsync");
}

void write_durably(const std::filesystem::path& file, std::string_view text) {
  write_durably(file, std::as_bytes(std::span(text)));
}

std::string read_file(const std::filesystem::path& file) {
  std::string text;
  read_in_parts(file, [&](std::string_view part) { return text += part, true; });
  return text;
}

std::string read_start(const std::filesystem::path& file, std::size_t most) {
  std::string text;
  read_in_parts(file, [&](std::string_view part) { return (text += part).size() < most; });
  return text.substr(0, most);
}

std::string content_hash(std::span<const std::byte> bytes) { return hex(XXH3_128bits(bytes.data(), bytes.size())); }

std::string content_hash(std::string_view text) { return content_hash(std::as_bytes(std::span(text))); }

std::string file_hash(const std::filesystem::path& file) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
  if (!state) throw std::bad_alloc();
  XXH3_128bits_reset(state.get());
  read_in_parts(file, [&](std::string_view part) {
    return XXH3_128bits_update(state.get(), part.data(), part.size()) == XXH_OK;
  });
  return hex(XXH3_128bits_digest(state.get()));
}

void prepare_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    throw InputError(folder.string() + ": this folder cannot be made: " + error.message() +
                     ". Name one that can be written to.");
  const std::filesystem::path probe = folder / (".palimpsest-" + std::to_string(::getpid()));
  {
    const Descriptor descriptor(::open(probe.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!descriptor.ok()) cannot_write(folder, errno);
  }
  ::unlink(probe.c_str());
}

}  // namespace palimpsest
