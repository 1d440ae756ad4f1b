#include "models/taken_keys.h"

#include <algorithm>
#include <set>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "models/key_ranges.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

// Parts that an encoder may lack: it is then built without them.
bool may_be_absent(const std::string& ours) {
  return ours == "embeddings.class_embedding" || ours == "embeddings.patch_embedding.bias" ||
         ours.starts_with("pre_layrnorm") || ours.starts_with("post_layernorm");
}
// Biases that a model may be built without: zeros are the same.
bool zero_if_absent(const std::string& ours) { return ours.starts_with("encoder.") && ours.ends_with("_proj.bias"); }

std::string listed(const std::vector<std::string>& keys) {
  return fmt::format("{}", fmt::join(key_ranges(keys), ", "));
}

std::string described(const std::string& prefix) {
  return prefix.empty() ? "no prefix" : fmt::format("the prefix \"{}\"", prefix);
}

// One pass over a file: takes what the family's maps name, remembers what was taken.
class Taking {
 public:
  Taking(const WeightFiles& files, const FoundFamily& found) : files_(files), found_(found) {}

  TakenKeys take() {
    const auto depth = count_blocks();
    for (const auto& map : found_.family->maps)
      for (std::int64_t block = 0; block < (in_blocks(map.theirs.front()) ? depth : 1); ++block) take_one(map, block);
    finish();
    return std::move(out_);
  }

 private:
  std::string key_of(const std::string& pattern, std::int64_t block) const {
    return found_.prefix + at_block(pattern, block);
  }

  // The largest number of a block and one: what a file that was cut short lacks is then named.
  std::int64_t count_blocks() const {
    std::int64_t depth = 0;
    for (const auto& key : files_.keys()) {
      if (!key.starts_with(found_.prefix)) continue;
      const auto [pattern, block] = block_key(key.substr(found_.prefix.size()));
      if (block >= depth && is_of_blocks(pattern)) depth = block + 1;
    }
    return depth;
  }

  bool is_of_blocks(const std::string& own) const {
    return std::ranges::any_of(found_.family->maps, [&](const WeightMap& map) {
      return std::ranges::any_of(map.theirs, [&](const std::string& pattern) {
        return in_blocks(pattern) && own.starts_with(pattern.substr(0, pattern.find("{}")));
      });
    });
  }

  void take_one(const WeightMap& map, std::int64_t block) {
    const auto found = std::ranges::find_if(
        map.theirs, [&](const std::string& spelling) { return files_.find(key_of(spelling, block)) != nullptr; });
    if (found == map.theirs.end()) return miss(map, block);
    const auto key = key_of(*found, block);
    taken_.insert(key);
    out_.used.push_back(key);
    const auto value = files_.read(key);
    if (!value.is_floating_point())
      throw InputError(fmt::format(
          "{}: {} holds whole numbers ({}). A quantised model cannot be used; get it in float32 or float16.",
          files_.path().string(), key, files_.find(key)->dtype));
    put(map, block, key, laid_out(map, value.to(at::kFloat), key));
  }

  at::Tensor laid_out(const WeightMap& map, const at::Tensor& value, const std::string& key) const {
    if (map.layout == Layout::kSame) return value;
    if (map.layout == Layout::kToken) return value.flatten();
    if (value.dim() == 3 && value.size(0) == 1) return value[0];
    if (value.dim() == 2) return value;
    throw InputError(fmt::format("{}: {} is [{}], but a table of positions is [1, tokens, width]",
                                 files_.path().string(), key, fmt::join(value.sizes(), ", ")));
  }

  void put(const WeightMap& map, std::int64_t block, const std::string& key, const at::Tensor& value) {
    const auto parts = std::ssize(map.ours);
    if (value.dim() == 0 || value.size(0) % parts != 0)
      throw InputError(fmt::format("{}: {} is [{}], which cannot be cut into {} equal parts", files_.path().string(),
                                   key, fmt::join(value.sizes(), ", "), parts));
    const auto cut = value.chunk(parts);
    for (std::int64_t i = 0; i < parts; ++i) {
      const auto ours = at_block(map.ours[static_cast<std::size_t>(i)], block);
      out_.encoder[ours] = {cut[static_cast<std::size_t>(i)].contiguous(), false};
      out_.source[ours] = key;
    }
  }

  void miss(const WeightMap& map, std::int64_t block) {
    const auto key = key_of(map.theirs.front(), block);
    if (zero_if_absent(map.ours.front())) {
      for (const auto& ours : map.ours) zeros_.push_back(at_block(ours, block));
      filled_.push_back(key);
    } else if (may_be_absent(map.ours.front())) {
      without_.push_back(key);
    } else {
      lacking_.push_back(key);
    }
  }

  void finish() {
    if (!lacking_.empty())
      throw InputError(fmt::format(
          "{}: looks like {} with {}, but lacks {} of its keys: {}. It was cut short or altered: get it again.",
          files_.path().string(), found_.family->meaning, described(found_.prefix), lacking_.size(), listed(lacking_)));
    fill_zeros();
    for (const auto& key : files_.keys())
      if (!taken_.contains(key)) out_.left.push_back(key);
    refuse_unlike();
    for (const auto& key : key_ranges(without_)) out_.missed.push_back(key + ": the encoder is built without it");
    for (const auto& key : key_ranges(filled_)) out_.missed.push_back(key + ": zeros in its place, which is the same");
  }

  void fill_zeros() {
    for (const auto& ours : zeros_) {
      auto weight = ours;
      weight.replace(weight.size() - 4, 4, "weight");
      out_.encoder[ours] = {at::zeros({out_.encoder.at(weight).value.size(0)}), false};
    }
  }

  // Left behind inside a block, or a token that all patches attend to: the outputs would be others.
  void refuse_unlike() const {
    std::vector<std::string> unlike;
    for (const auto& key : out_.left)
      if (is_unlike(key)) unlike.push_back(key);
    if (!unlike.empty())
      throw InputError(
          fmt::format("{}: holds {}, which change what the encoder computes and which it has no place for. This "
                      "architecture cannot be imported.",
                      files_.path().string(), listed(unlike)));
  }

  bool is_unlike(const std::string& key) const {
    if (!key.starts_with(found_.prefix)) return false;
    const auto own = key.substr(found_.prefix.size());
    if (std::ranges::find(found_.family->unlike, own) != found_.family->unlike.end()) return true;
    return is_of_blocks(own);
  }

  const WeightFiles& files_;
  FoundFamily found_;
  TakenKeys out_;
  std::set<std::string> taken_;
  std::vector<std::string> lacking_, without_, filled_, zeros_;
};

}  // namespace

TakenKeys take_keys(const WeightFiles& files, const FoundFamily& found) { return Taking(files, found).take(); }

}  // namespace palimpsest
