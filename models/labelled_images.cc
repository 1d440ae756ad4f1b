#include "models/labelled_images.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "models/augment.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;

constexpr int kLeavesSide = 128;  // of a family's picture, pixels

struct Place {
  std::string part, name;  // "train", "test" or empty; the class
};

bool is_split(const fs::path& folder) {
  return fs::is_directory(folder / "train") && fs::is_directory(folder / "test");
}

Place place_of(const fs::path& file, bool split, const fs::path& folder) {
  std::vector<std::string> steps;
  for (const auto& step : file) steps.push_back(step.string());
  const std::size_t needed = split ? 3 : 2;
  if (steps.size() < needed)
    throw InputError(fmt::format("{}: lies in no class. Put each image into the folder of its class: {}/{}CLASS/{}",
                                 (folder / file).string(), folder.string(), split ? "train/" : "",
                                 file.filename().string()));
  return split ? Place{steps[0], steps[1]} : Place{"", steps[0]};
}

void check_classes(const LabelledImages& images, const fs::path& folder) {
  if (images.classes.size() < 2)
    throw InputError(
        fmt::format("{}: all images are of one class, {}, so there is nothing to tell apart. Give a folder with a "
                    "subfolder for each of two classes or more.",
                    folder.string(), images.classes.front()));
  if (images.held_out.empty()) return;
  std::map<std::int64_t, std::set<bool>> parts;
  for (std::int64_t i = 0; i < images.count(); ++i) parts[images.labels[i]].insert(images.held_out[i]);
  for (const auto& [label, in] : parts)
    if (in.size() == 1)
      throw InputError(fmt::format("{}: the class {} has images in {} alone. Give both parts some, or take it out.",
                                   folder.string(), images.classes[label], *in.begin() ? "test" : "train"));
}

}  // namespace

LabelledImages labelled_folder(const ImageFolder& images, const std::function<void(const std::string&)>& warn) {
  const std::shared_ptr<ImageSource> source = image_folder(images, warn);
  const auto& folder = images.path;
  const bool split = is_split(folder);
  std::vector<Place> places;
  std::set<std::string> names;
  for (std::int64_t i = 0; i < source->count(); ++i) {
    places.push_back(place_of(source->name(i), split, folder));
    if (split && places.back().part != "train" && places.back().part != "test")
      throw InputError(fmt::format("{}: beside train and test there are images in {}. Take them out.", folder.string(),
                                   places.back().part));
    names.insert(places.back().name);
  }
  LabelledImages out;
  out.square = [source](std::int64_t index, int side) { return square(source->image(index), side); };
  out.classes.assign(names.begin(), names.end());
  for (const auto& place : places) {
    out.labels.push_back(std::ranges::lower_bound(out.classes, place.name) - out.classes.begin());
    if (split) out.held_out.push_back(place.part == "test");
  }
  check_classes(out, folder);
  return out;
}

LabelledImages dead_leaves_families(std::uint64_t seed, std::int64_t families, std::int64_t members) {
  const auto leaves = dead_leaves(seed, families, kLeavesSide);
  std::vector<Image> pictures;
  LabelledImages out;
  for (std::int64_t family = 0; family < families; ++family) {
    pictures.push_back(leaves->image(family));
    out.classes.push_back(leaves->name(family));
    out.labels.insert(out.labels.end(), members, family);
  }
  const auto stream = RandomStream(seed).child(purpose("views of dead leaves"));
  out.square = [=](std::int64_t index, int side) {
    const Crop crop = draw_crop(kLeavesSide, kLeavesSide, {.smallest = 0.5, .largest = 1.0}, stream.child(index));
    return cut(pictures[index / members], crop, side);
  };
  return out;
}

}  // namespace palimpsest
