// Reading tar: 512-byte blocks; each member is a header block and its content, filled up to whole blocks; two blocks of
// zeros end the archive (POSIX.1-2017, pax). GNU's long names (type L) and pax records (type x) precede the member they
// belong to.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <system_error>

#include "runtime/error.h"
#include "runtime/tar.h"
#include "runtime/tar_header.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kLongestRecord = 1 << 20;  // of a long name or pax header; real ones take some hundred bytes

class Archive {
 public:
  explicit Archive(const std::filesystem::path& path)
      : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat facts {};
    if (descriptor_ < 0 || ::fstat(descriptor_, &facts) != 0) {
      const int error = errno;
      if (descriptor_ >= 0) ::close(descriptor_);
      throw InputError(path.string() + ": cannot be read: " + std::generic_category().message(error) +
                       ". Check the path and its permissions.");
    }
    size_ = facts.st_size;
  }
  ~Archive() { ::close(descriptor_); }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  std::int64_t size() const { return size_; }

  /// As many of the bytes as there are.
  std::size_t read(std::int64_t offset, char* to, std::size_t count) const {
    std::size_t done = 0;
    while (done < count) {
      const ssize_t got = ::pread(descriptor_, to + done, count - done, offset + static_cast<std::int64_t>(done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0)
        throw InputError(path_.string() + ": cannot be read at byte " + std::to_string(offset) + ": " +
                         std::generic_category().message(errno) + ". Check the disk, or copy the file again.");
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  std::filesystem::path path_;
  int descriptor_;
  std::int64_t size_ = 0;
};

/// "path", "size", ...: lines of "LENGTH KEY=VALUE\n", where LENGTH counts the line itself.
std::optional<std::map<std::string, std::string>> pax_records(std::string_view text) {
  std::map<std::string, std::string> records;
  while (!text.empty()) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    const auto digits = static_cast<std::size_t>(end - text.data());
    if (error != std::errc() || length > text.size() || length < digits + 3 || text[digits] != ' ') return std::nullopt;
    const std::string_view line = text.substr(digits + 1, length - digits - 2);
    const std::size_t equals = line.find('=');
    if (text[length - 1] != '\n' || equals == std::string_view::npos) return std::nullopt;
    records[std::string(line.substr(0, equals))] = line.substr(equals + 1);
    text.remove_prefix(length);
  }
  return records;
}

std::string kind_of(std::string_view start) {
  const auto begins = [&](std::string_view word) { return start.starts_with(word); };
  if (begins("\x1f\x8b")) return "compressed by gzip; unpack it (gunzip)";
  if (begins("BZh")) return "compressed by bzip2; unpack it (bunzip2)";
  if (begins("\xfd"
             "7zXZ"))
    return "compressed by xz; unpack it (unxz)";
  if (begins("\x28\xb5\x2f\xfd")) return "compressed by zstd; unpack it (unzstd)";
  if (begins("PK\x03\x04")) return "a zip archive; unpack it and run `palimpsest images pack` on the folder";
  if (begins("PAR1"))
    return "a Parquet table; write its images as files and run `palimpsest images pack` on the folder";
  if (begins("\xff\xd8\xff") || begins("\x89PNG"))
    return "an image; set images.source = \"folder\", or run `palimpsest images pack` on its folder";
  return "something else; run `palimpsest images pack` on a folder of images";
}

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : path_(path), archive_(path) {}

  std::vector<TarMember> members() {
    if (archive_.size() == 0) throw InputError(path_.string() + ": this file is empty. Pack or copy it again.");
    while (next()) {
    }
    return std::move(members_);
  }

 private:
  bool next() {
    TarHeader header;
    if (archive_.read(at_, header.data(), header.size()) < header.size())
      cut_off("it ends without the two blocks of zeros that end an archive");
    if (is_zeros(header)) return false;
    const std::int64_t start = at_;
    if (!checksum_holds(header)) no_header(header);
    TarMember member{.name = long_name_.value_or(name_of(header)), .offset = start + kTarBlock, .size = 0};
    const auto told = long_size_ ? long_size_ : size_of(header);
    if (!told || *told < 0) damaged(start, "its size is no number");
    member.size = *told;
    if (member.size > archive_.size() - member.offset)
      cut_off("its member " + member.name + " begins at byte " + std::to_string(start) + " and is to have " +
              std::to_string(member.size) + " bytes");
    at_ = member.offset + (member.size + kTarBlock - 1) / kTarBlock * kTarBlock;
    take(header[kTarTypeAt], member);
    return true;
  }

  void take(char type, TarMember& member) {
    switch (type) {
      case 'L':
        long_name_ = until_zero(content(member));
        return;
      case 'x':
        take_pax(member);
        return;
      case 'K':
      case 'g':
        return;  // a link's long target; records for all that follow, none of which are used here
      case 'S':
        damaged(member.offset - kTarBlock,
                "it is a sparse file, which is not read here. Write the archive without sparse files");
      case '0':
      case '\0':
      case '7':
        members_.push_back(std::move(member));
        break;
    }
    long_name_.reset();
    long_size_.reset();
  }

  void take_pax(const TarMember& member) {
    const auto records = pax_records(content(member));
    if (!records) damaged(member.offset - kTarBlock, "its pax records cannot be read");
    if (const auto path = records->find("path"); path != records->end()) long_name_ = path->second;
    if (const auto size = records->find("size"); size != records->end()) {
      std::int64_t value = -1;
      std::from_chars(size->second.data(), size->second.data() + size->second.size(), value);
      long_size_ = value;
    }
  }

  std::string content(const TarMember& member) const {
    if (member.size > kLongestRecord)
      damaged(member.offset - kTarBlock, "a name of " + std::to_string(member.size) + " bytes is none");
    std::string text(static_cast<std::size_t>(member.size), '\0');
    text.resize(archive_.read(member.offset, text.data(), text.size()));
    return text;
  }

  [[noreturn]] void no_header(const TarHeader& header) const {
    if (at_ > 0) damaged(at_, "its checksum is wrong");
    throw InputError(path_.string() + ": this is no tar archive but " + kind_of({header.data(), header.size()}) + ".");
  }
  [[noreturn]] void damaged(std::int64_t offset, const std::string& why) const {
    const std::string after = members_.empty() ? "" : ", after the member " + members_.back().name;
    throw InputError(path_.string() + ": the header at byte " + std::to_string(offset) + after + " is damaged: " + why +
                     ". Pack or copy the archive again.");
  }
  [[noreturn]] void cut_off(const std::string& why) const {
    throw InputError(path_.string() + ": this archive is cut off at byte " + std::to_string(archive_.size()) + ": " +
                     why + ". Pack or copy it again.");
  }

  std::filesystem::path path_;
  Archive archive_;
  std::int64_t at_ = 0;
  std::optional<std::string> long_name_;  // for the next member
  std::optional<std::int64_t> long_size_;
  std::vector<TarMember> members_;
};

}  // namespace

std::vector<TarMember> tar_members(const std::filesystem::path& archive) { return Reader(archive).members(); }

std::string read_member(const std::filesystem::path& archive, const TarMember& member) {
  std::string content(static_cast<std::size_t>(member.size), '\0');
  if (Archive(archive).read(member.offset, content.data(), content.size()) == content.size()) return content;
  throw InputError(archive.string() + ": this archive is cut off within its member " + member.name + " at byte " +
                   std::to_string(member.offset) + ". Pack or copy it again.");
}

}  // namespace palimpsest
