#include "runtime/pending_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "runtime/error.h"
#include "runtime/failure.h"

namespace palimpsest {
namespace {

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

/// Hands all bytes to `write`, which writes some of them.
template <class Write>
void write_all(const std::filesystem::path& target, std::span<const std::byte> bytes, Write write) {
  while (!bytes.empty()) {
    const ssize_t written = write(bytes);
    if (written < 0 && errno != EINTR) cannot_write(target, errno);
    if (written > 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

}  // namespace

void cannot_write(const std::filesystem::path& file, int error) {
  if (const std::string trouble = disk_trouble(file, error); !trouble.empty()) throw Interrupted(trouble);
  if (error == EISDIR) throw InputError(file.string() + ": is a folder, and a file is to be written there. Name a file.");
  throw InputError(file.string() + ": cannot be written: " + std::generic_category().message(error) + ". Name a folder that can be written to.");
}

PendingFile::PendingFile(std::filesystem::path target)
    : target_(std::move(target)),
      path_(target_.string() + ".writing-" + std::to_string(::getpid())),
      descriptor_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
  if (descriptor_ < 0) cannot_write(target_, errno);
}

PendingFile::~PendingFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!kept_) ::unlink(path_.c_str());
}

void PendingFile::append(std::span<const std::byte> bytes) {
  write_all(target_, bytes, [this](auto rest) { return ::write(descriptor_, rest.data(), rest.size()); });
}

void PendingFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  const auto* first = bytes.data();
  write_all(target_, bytes, [&](auto rest) {
    return ::pwrite(descriptor_, rest.data(), rest.size(), static_cast<off_t>(offset + static_cast<std::uint64_t>(rest.data() - first)));
  });
}

void PendingFile::sync() {
  if (::fsync(descriptor_) != 0 || ::close(std::exchange(descriptor_, -1)) != 0) cannot_write(target_, errno);
}

void PendingFile::rename() {
  if (::rename(path_.c_str(), target_.c_str()) != 0) cannot_write(target_, errno);
  kept_ = true;
}

void PendingFile::sync_folder() {
  const int folder = ::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) cannot_write(target_, errno);
  // Some file systems cannot sync a folder (EINVAL) and need not.
  const int error = ::fsync(folder) != 0 && errno != EINVAL ? errno : 0;
  ::close(folder);
  if (error) cannot_write(target_, error);
}

}  // namespace palimpsest
