#include "runtime/image_pack.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "runtime/crew.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/image.h"
#include "runtime/image_codecs.h"
#include "runtime/image_folder.h"
#include "runtime/tar.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAtOnce = 64;  // images that are in memory between reading and writing

std::string without_ending(const std::string& name) { return fs::path(name).replace_extension().generic_string(); }

/// The subfolder an image lies in; empty for one that lies in the folder itself.
std::string label_of(const std::string& name) {
  const std::size_t slash = name.find('/');
  return slash == std::string::npos ? "" : name.substr(0, slash);
}

/// What goes into a shard of one image, or why nothing does.
struct Prepared {
  std::string image, mask;  // contents of files
  std::string ending;
  std::string left_out;
};

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Packer {
 public:
  explicit Packer(const ImagePack& pack)
      : pack_(pack),
        names_(image_names(pack.folder)),
        folder_(pack.out.string() + ".packing-" + std::to_string(::getpid())) {
    if (names_.empty())
      throw InputError(pack.folder.string() +
                       ": there is no image in this folder. Put .jpg, .jpeg or .png files there.");
    if (fs::exists(pack.out))
      throw InputError(pack.out.string() + ": is there already. Name a new folder to --out, or remove this one.");
    find_masks();
    find_labels();
  }
  ~Packer() {
    shard_.reset();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  Packed pack() {
    prepare_folder(folder_);
    Crew crew(pack_.threads);
    for (std::size_t first = 0; first < names_.size(); first += kAtOnce) {
      if (pack_.should_stop && pack_.should_stop())
        throw Interrupted("stopped after " + std::to_string(first) + " of " + std::to_string(names_.size()) +
                          " images; nothing is kept. Run the same command again.");
      const std::size_t end = std::min(first + kAtOnce, names_.size());
      const std::vector<Prepared> prepared = prepare(first, end, crew);
      for (std::size_t i = first; i < end; ++i) add(names_[i], prepared[i - first]);
      if (pack_.progress) pack_.progress(static_cast<std::int64_t>(end), std::ssize(names_));
    }
    finish();
    return packed_;
  }

 private:
  void find_masks() {
    if (pack_.masks.empty()) return;
    for (const std::string& name : image_names(pack_.masks)) masks_.emplace(without_ending(name), pack_.masks / name);
  }

  void find_labels() {
    std::set<std::string> labels;
    for (const std::string& name : names_) labels.insert(label_of(name));
    if (labels.contains("")) return;
    for (const std::string& label : labels) labels_.emplace(label, labels_.size());
  }

  std::vector<Prepared> prepare(std::size_t first, std::size_t end, Crew& crew) const {
    std::vector<Prepared> prepared(end - first);
    std::atomic<std::size_t> next = first;
    crew.each([&](int) {
      for (std::size_t i; (i = next++) < end;) {
        try {
          prepared[i - first] = prepare(names_[i]);
        } catch (const InputError& error) {
          prepared[i - first].left_out = error.what();
        }
      }
    });
    return prepared;
  }

  Prepared prepare(const std::string& name) const {
    const fs::path file = pack_.folder / name;
    Prepared prepared{.image = read_file(file), .mask = {}, .ending = {}, .left_out = {}};
    const auto bytes = std::as_bytes(std::span(prepared.image));
    prepared.ending = is_png(bytes) ? "png" : "jpg";
    const Image image = decode_image(bytes, file);
    const auto mask = masks_.find(without_ending(name));
    if (mask != masks_.end()) prepared.mask = read_file(mask->second);
    if (pack_.side > 0 && std::min(image.width, image.height) > pack_.side) reduce(image, prepared);
    return prepared;
  }

  void reduce(const Image& image, Prepared& prepared) const {
    const double scale = static_cast<double>(pack_.side) / std::min(image.width, image.height);
    const auto scaled = [&](int side) { return std::max(pack_.side, static_cast<int>(std::lround(side * scale))); };
    const int width = scaled(image.width), height = scaled(image.height);
    const Image reduced = resize_bicubic(image, width, height);
    prepared.image = text_of(prepared.ending == "png" ? encode_png(reduced) : encode_jpeg(reduced, pack_.quality));
    if (prepared.mask.empty()) return;
    const Mask mask = resize_nearest(decode_mask(std::as_bytes(std::span(prepared.mask)), "mask"), width, height);
    Image grey{width, height, {}};
    for (const std::uint8_t value : mask.figure) grey.rgb.insert(grey.rgb.end(), 3, value);
    prepared.mask = text_of(encode_png(grey));
  }

  void add(const std::string& name, const Prepared& prepared) {
    if (!prepared.left_out.empty()) {
      ++packed_.left_out;
      if (pack_.warn) pack_.warn(prepared.left_out + " It is left out.");
      return;
    }
    const std::string key = key_of(name);
    write(key + "." + prepared.ending, prepared.image);
    if (!prepared.mask.empty()) write(key + ".mask.png", prepared.mask);
    if (!labels_.empty()) write(key + ".cls", std::to_string(labels_.at(label_of(name))));
    ++packed_.images;
    packed_.masks += !prepared.mask.empty();
    if (shard_->size() >= pack_.shard_bytes) close_shard();  // a sample lies in one shard
  }

  /// The name without its ending. Points in a file's name would end the key too early; two files that then share a key
  /// (a.b.jpg and a_b.jpg, a.jpg and a.png) are told apart by a number.
  std::string key_of(const std::string& name) {
    std::string key = without_ending(name);
    std::replace(key.begin() + static_cast<std::ptrdiff_t>(key.rfind('/') + 1), key.end(), '.', '_');
    std::string chosen = key;
    for (int number = 2; !keys_.insert(chosen).second; ++number) chosen = key + "-" + std::to_string(number);
    return chosen;
  }

  void write(const std::string& member, const std::string& content) {
    if (!shard_) {
      char name[32];
      std::snprintf(name, sizeof name, "shard-%06lld.tar", static_cast<long long>(packed_.shards++));
      shard_ = std::make_unique<TarWriter>(folder_ / name);
    }
    shard_->add(member, std::as_bytes(std::span(content)));
  }

  void close_shard() {
    if (!shard_) return;
    packed_.bytes += shard_->size();
    shard_->finish();
    shard_.reset();
  }

  void finish() {
    close_shard();
    if (packed_.images == 0) throw InputError(pack_.folder.string() + ": no image of this folder can be read.");
    std::string classes;
    for (const auto& [label, number] : labels_) classes += label + "\n";
    if (!classes.empty()) write_durably(folder_ / "classes.txt", classes);
    std::error_code error;
    fs::rename(folder_, pack_.out, error);
    if (error)
      throw InputError(pack_.out.string() + ": cannot be made: " + error.message() + ". Name another folder to --out.");
  }

  const ImagePack& pack_;
  const std::vector<std::string> names_;
  const fs::path folder_;  // in which the shards are written; then renamed
  std::map<std::string, fs::path> masks_;
  std::map<std::string, std::size_t> labels_;
  std::set<std::string> keys_;
  std::unique_ptr<TarWriter> shard_;
  Packed packed_;
};

}  // namespace

Packed pack_images(const ImagePack& pack) { return Packer(pack).pack(); }

}  // namespace palimpsest
