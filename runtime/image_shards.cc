#include "runtime/image_shards.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>
#include <vector>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/shard_names.h"
#include "runtime/tar.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kDecodedAtOnce = 2000;  // some seconds; of more images none is looked at before the start
constexpr std::int64_t kGlanced = 500;
constexpr const char* kMaskEnding = "mask.png";

struct Sample {
  std::size_t shard = 0;
  TarMember image;
  std::optional<TarMember> mask;
};

bool is_image_ending(const std::string& ending) { return ending == "jpg" || ending == "jpeg" || ending == "png"; }

/// What an error calls a member: where to look for it.
std::string place(const fs::path& shard, const TarMember& member) {
  return shard.string() + ", member " + member.name + " at byte " + std::to_string(member.offset);
}

std::vector<Sample> samples_of(const fs::path& file, std::size_t shard) {
  std::vector<Sample> samples;
  std::map<std::string, TarMember> masks;
  const std::vector<TarMember> members = tar_members(file);
  for (const TarMember& member : members) {
    const auto [key, ending] = sample_name(member.name);
    if (is_image_ending(ending)) samples.push_back({shard, member, {}});
    if (ending == kMaskEnding) masks[key] = member;
  }
  if (samples.empty())
    throw InputError(file.string() + ": none of its " + std::to_string(members.size()) + " members is an image" +
                     (members.empty() ? "" : " (the first is " + members.front().name + ")") +
                     ". In the WebDataset layout an image is a member KEY.jpg, KEY.jpeg or KEY.png.");
  for (Sample& sample : samples)
    if (const auto found = masks.find(sample_name(sample.image.name).key); found != masks.end())
      sample.mask = found->second;
  return samples;
}

class Shards final : public ImageSource {
 public:
  Shards(const ImageShards& options, const std::function<void(const std::string&)>& warn) {
    if (options.path.empty())
      throw InputError("images.path is not given. Name the folder of shards, or set images.source = \"dead-leaves\".");
    files_ = shard_files(options.path);
    for (std::size_t shard = 0; shard < files_.size(); ++shard) {
      if (options.glance && count() >= kGlanced) return;
      for (Sample& sample : samples_of(files_[shard], shard)) samples_.push_back(std::move(sample));
    }
    if (!options.glance && count() <= kDecodedAtOnce) leave_out_damaged(warn);
    if (samples_.empty()) throw InputError(options.path.string() + ": no image of these shards can be read.");
    if (options.total > count())
      throw InputError(options.path.string() + ": " + std::to_string(count()) + " images, but images.total asks for " +
                       std::to_string(options.total) + ". Add shards or ask for fewer.");
    if (options.total > 0) samples_.resize(static_cast<std::size_t>(options.total));
    has_masks_ =
        std::any_of(samples_.begin(), samples_.end(), [](const Sample& sample) { return sample.mask.has_value(); });
  }

  std::int64_t count() const override { return std::ssize(samples_); }
  std::string name(std::int64_t index) const override { return sample(index).image.name; }
  Image image(std::int64_t index) const override { return decoded(sample(index)); }
  Image part(std::int64_t index, int side, const std::function<Box(ImageSize)>& choose) const override {
    const Sample& chosen = sample(index);
    const std::string bytes = read_member(files_[chosen.shard], chosen.image);
    return decode_part(std::as_bytes(std::span(bytes)), place(files_[chosen.shard], chosen.image), side, choose);
  }
  std::int64_t bytes(std::int64_t index) const override { return sample(index).image.size; }
  bool has_masks() const override { return has_masks_; }

  std::optional<Mask> mask(std::int64_t index) const override {
    const Sample& chosen = sample(index);
    if (!chosen.mask) return std::nullopt;
    const std::string bytes = read_member(files_[chosen.shard], *chosen.mask);
    return decode_mask(std::as_bytes(std::span(bytes)), place(files_[chosen.shard], *chosen.mask));
  }

  std::string hash(std::int64_t index) const override {
    const Sample& chosen = sample(index);
    const std::string own = content_hash(read_member(files_[chosen.shard], chosen.image));
    return chosen.mask ? content_hash(own + content_hash(read_member(files_[chosen.shard], *chosen.mask))) : own;
  }

 private:
  const Sample& sample(std::int64_t index) const { return samples_.at(static_cast<std::size_t>(index)); }

  Image decoded(const Sample& sample) const {
    const std::string bytes = read_member(files_[sample.shard], sample.image);
    return decode_image(std::as_bytes(std::span(bytes)), place(files_[sample.shard], sample.image));
  }

  void check(const Sample& sample) const {
    const Image image = decoded(sample);
    if (!sample.mask) return;
    const std::string bytes = read_member(files_[sample.shard], *sample.mask),
                      where = place(files_[sample.shard], *sample.mask);
    const Mask mask = decode_mask(std::as_bytes(std::span(bytes)), where);
    if (mask.width != image.width || mask.height != image.height)
      throw InputError(where + ": this mask is " + std::to_string(mask.width) + " x " + std::to_string(mask.height) +
                       ", but its image is " + std::to_string(image.width) + " x " + std::to_string(image.height) +
                       ". Make them the same size.");
  }

  void leave_out_damaged(const std::function<void(const std::string&)>& warn) {
    const std::int64_t all = count();
    std::erase_if(samples_, [&](const Sample& sample) {
      try {
        check(sample);
        return false;
      } catch (const InputError& error) {
        warn(std::string(error.what()) + " It is skipped.");
        return true;
      }
    });
    if (count() < all)
      warn(std::to_string(all - count()) + " of " + std::to_string(all) + " images of " +
           std::to_string(files_.size()) + (files_.size() == 1 ? " shard" : " shards") + " are damaged and left out.");
  }

  std::vector<fs::path> files_;
  std::vector<Sample> samples_;
  bool has_masks_ = false;
};

}  // namespace

SampleName sample_name(const std::string& member) {
  const std::size_t slash = member.rfind('/'), file = slash == std::string::npos ? 0 : slash + 1,
                    point = member.find('.', file);
  if (point == std::string::npos) return {member, ""};
  std::string ending = member.substr(point + 1);
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return {member.substr(0, point), ending};
}

std::unique_ptr<ImageSource> image_shards(const ImageShards& options,
                                          const std::function<void(const std::string&)>& warn) {
  return std::make_unique<Shards>(options, warn);
}

}  // namespace palimpsest
