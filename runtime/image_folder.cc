#include "runtime/image_folder.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <mutex>
#include <tuple>

#include "runtime/durable_file.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDecodedAtOnce =
    2000;  // some seconds; of a larger folder only the headers are read before the start

constexpr std::int64_t kGlanced = 500;  // headers; a moment even over a network

/// What was found out about a file, kept for the life of the process: a study opens the same folder once for each of
/// its image sets.
struct Examined {
  ImageSize size;
  std::string unsound;   // why it cannot be read; empty: it can
  bool decoded = false;  // not only its header was looked at
};

class Examinations {
 public:
  Examined of(const fs::path& file, bool decode) {
    const Stamp stamp = stamp_of(file);
    {
      const std::lock_guard lock(mutex_);
      const auto found = known_.find(stamp);
      if (found != known_.end() && (found->second.decoded || !decode || !found->second.unsound.empty()))
        return found->second;
    }
    Examined fresh = examine(file, decode);
    const std::lock_guard lock(mutex_);
    return known_.insert_or_assign(stamp, std::move(fresh)).first->second;
  }

 private:
  using Stamp = std::tuple<std::string, std::uintmax_t, fs::file_time_type>;  // a file that was replaced is another one

  static Stamp stamp_of(const fs::path& file) {
    std::error_code ignored;
    return {file.string(), fs::file_size(file, ignored), fs::last_write_time(file, ignored)};
  }

  static Examined examine(const fs::path& file, bool decode) {
    Examined examined;
    examined.decoded = decode;
    try {
      examined.size = image_size(file);
      if (decode) decode_image(file);
    } catch (const InputError& error) {
      examined.unsound = error.what();
    }
    return examined;
  }

  std::mutex mutex_;
  std::map<Stamp, Examined> known_;
};

Examinations& examinations() {
  static Examinations all;
  return all;
}

bool hidden(const fs::path& path) { return path.filename().string().starts_with("."); }

bool has_image_ending(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png";
}

std::string stem(const std::string& name) { return fs::path(name).replace_extension().generic_string(); }

class Folder final : public ImageSource {
 public:
  Folder(const ImageFolder& options, const std::function<void(const std::string&)>& warn) : options_(options) {
    if (options.path.empty())
      throw InputError("images.path is not given. Name the folder of images, or set images.source = \"dead-leaves\".");
    find_images(warn);
    if (!options.masks.empty()) find_masks();
  }

  std::int64_t count() const override { return static_cast<std::int64_t>(names_.size()); }
  std::string name(std::int64_t index) const override { return names_.at(index); }
  Image image(std::int64_t index) const override { return decode_image(file(index)); }
  Image part(std::int64_t index, int side, const std::function<Box(ImageSize)>& choose) const override {
    const std::string bytes = read_file(file(index));
    return decode_part(std::as_bytes(std::span(bytes)), file(index), side, choose);
  }
  std::int64_t bytes(std::int64_t index) const override { return static_cast<std::int64_t>(fs::file_size(file(index))); }
  bool has_masks() const override { return !masks_.empty(); }

  std::optional<Mask> mask(std::int64_t index) const override {
    const auto found = masks_.find(index);
    if (found == masks_.end()) return std::nullopt;
    return decode_mask(found->second);
  }

  std::string hash(std::int64_t index) const override {
    const auto found = masks_.find(index);
    const std::string own = file_hash(file(index));
    return found == masks_.end() ? own : content_hash(own + file_hash(found->second));
  }

 private:
  fs::path file(std::int64_t index) const { return options_.path / names_.at(index); }

  void find_images(const std::function<void(const std::string&)>& warn) {
    std::vector<std::string> names = image_names(options_.path);
    if (names.empty())
      throw InputError(options_.path.string() +
                       ": there is no image in this folder. Put .jpg, .jpeg or .png files there.");
    const bool decode = !options_.glance && (options_.skip_unreadable || names.size() <= kDecodedAtOnce);
    std::vector<std::string> unsound;
    for (std::string& name : names) {
      if (enough()) break;
      if (unlooked(count() + std::ssize(unsound))) {
        names_.push_back(std::move(name));
        continue;
      }
      const Examined examined = examinations().of(options_.path / name, decode);
      if (examined.unsound.empty())
        names_.push_back(std::move(name));
      else if (options_.skip_unreadable)
        warn(examined.unsound + " It is skipped.");
      else
        unsound.push_back(examined.unsound);
    }
    refuse(unsound);
    if (names_.empty()) throw InputError(options_.path.string() + ": no image of this folder can be read.");
    if (options_.total > count())
      throw InputError(options_.path.string() + ": " + std::to_string(count()) + " images, but images.total asks for " +
                       std::to_string(options_.total) + ". Add images or ask for fewer.");
  }

  bool unlooked(std::int64_t place) const { return options_.glance && place >= kGlanced; }
  bool enough() const { return options_.total > 0 && count() == options_.total; }

  void refuse(const std::vector<std::string>& unsound) const {
    if (unsound.empty()) return;
    constexpr std::size_t kShown = 10;
    std::string all;
    for (std::size_t i = 0; i < std::min(unsound.size(), kShown); ++i) all += unsound[i] + "\n";
    if (unsound.size() > kShown) all += "... and " + std::to_string(unsound.size() - kShown) + " more.\n";
    throw InputError(all + options_.how_to_skip + " to go on without what cannot be read.");
  }

  void find_masks() {
    std::map<std::string, fs::path> by_stem;
    for (const std::string& name : image_names(options_.masks)) by_stem.emplace(stem(name), options_.masks / name);
    for (std::int64_t index = 0; index < count(); ++index) {
      const auto found = by_stem.find(stem(names_[index]));
      if (found == by_stem.end()) continue;
      if (!unlooked(index)) check_mask(index, found->second);
      masks_.emplace(index, found->second);
    }
    if (masks_.empty())
      throw InputError(options_.masks.string() + ": no mask here bears the name of an image of " +
                       options_.path.string() + ". A mask is named as its image, apart from the ending.");
  }

  void check_mask(std::int64_t index, const fs::path& mask_file) const {
    const Examined mask = examinations().of(mask_file, false);
    if (!mask.unsound.empty()) throw InputError(mask.unsound);
    const ImageSize size = examinations().of(file(index), false).size;
    if (mask.size == size) return;
    throw InputError(mask_file.string() + ": this mask is " + std::to_string(mask.size.width) + " x " +
                     std::to_string(mask.size.height) + ", but its image " + names_[index] + " is " +
                     std::to_string(size.width) + " x " + std::to_string(size.height) + ". Make them the same size.");
  }

  ImageFolder options_;
  std::vector<std::string> names_;
  std::map<std::int64_t, fs::path> masks_;
};

}  // namespace

std::vector<std::string> image_names(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw InputError(folder.string() + ": there is no such folder" +
                     (fs::exists(folder, error) ? "; this is a file" : "") + ". Check the path.");
  std::vector<std::string> names;
  std::error_code ignored;   // a link that leads nowhere, or to itself, is no folder; as an image it is told of by name
  fs::recursive_directory_iterator entry(folder, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    if (hidden(entry->path()) && entry->is_directory(ignored))
      entry.disable_recursion_pending();
    else if (!hidden(entry->path()) && has_image_ending(entry->path()) && !entry->is_directory(ignored))
      names.push_back(entry->path().lexically_relative(folder).generic_string());
  }
  if (error)
    throw InputError(folder.string() + ": this folder cannot be read: " + error.message() + ". Check its permissions.");
  std::sort(names.begin(), names.end());
  return names;
}

std::unique_ptr<ImageSource> image_folder(const ImageFolder& options,
                                          const std::function<void(const std::string&)>& warn) {
  return std::make_unique<Folder>(options, warn);
}

}  // namespace palimpsest
