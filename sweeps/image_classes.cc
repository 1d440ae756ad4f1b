#include "sweeps/image_classes.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "runtime/error.h"

namespace palimpsest {
namespace {

using Queue = std::deque<std::int64_t>;  // of the images of a class that are left

using Folders = std::vector<std::string>;  // that an image lies in, from the outermost on

Folders folders_of(const ImageSource& source, std::int64_t image) {
  const auto path = std::filesystem::path(source.name(image)).parent_path();
  return {path.begin(), path.end()};
}

// How many folders all images share: none of these tells classes apart.
std::size_t shared_folders(const ImageSource& source, const std::vector<std::int64_t>& images) {
  Folders shared = folders_of(source, images.front());
  for (const auto image : images) {
    const Folders own = folders_of(source, image);
    shared.resize(static_cast<std::size_t>(std::ranges::mismatch(shared, own).in1 - shared.begin()));
  }
  return shared.size();
}

// The first folder in which images differ: "cat" of cat/x.png, train/cat/x.png and cat/images/x.png.
std::string class_of(const ImageSource& source, std::int64_t image, std::size_t shared) {
  const Folders folders = folders_of(source, image);
  if (folders.empty())
    throw InputError(
        fmt::format("images.classes: {} lies in no class. Put each image into the folder of its class, CLASS/{}, or set "
                    "images.classes = \"any\".",
                    source.name(image), source.name(image)));
  return folders[std::min(shared, folders.size() - 1)];
}

// Classes in the order in which they are drawn first.
std::vector<Queue> by_classes(const ImageSource& source, const std::vector<std::int64_t>& order) {
  const auto shared = shared_folders(source, order);
  std::map<std::string, std::size_t> places;
  std::vector<Queue> out;
  for (const auto image : order) {
    const auto [place, is_new] = places.try_emplace(class_of(source, image, shared), out.size());
    if (is_new) out.emplace_back();
    out[place->second].push_back(image);
  }
  return out;
}

std::int64_t take(Queue& queue) {
  const auto image = queue.front();
  queue.pop_front();
  return image;
}

// Class by class in turn.
void sets_of_one_class(std::vector<Queue>& classes, std::int64_t count, SetOrder& out) {
  for (bool found = true; found;) {
    found = false;
    for (auto& queue : classes) {
      if (std::ssize(queue) < count) continue;
      for (std::int64_t i = 0; i < count; ++i) out.images.push_back(take(queue));
      ++out.sets;
      found = true;
    }
  }
}

// Each set from the classes with most images left: so the most sets come out.
void sets_of_many_classes(std::vector<Queue>& classes, std::int64_t count, SetOrder& out) {
  while (std::ranges::count_if(classes, [](const Queue& queue) { return !queue.empty(); }) >= count) {
    std::ranges::stable_sort(classes, std::ranges::greater(), [](const Queue& queue) { return queue.size(); });
    for (std::int64_t i = 0; i < count; ++i) out.images.push_back(take(classes[static_cast<std::size_t>(i)]));
    ++out.sets;
  }
}

}  // namespace

SetClasses set_classes_of(const std::string& word) {
  if (word == "same") return SetClasses::kSame;
  return word == "different" ? SetClasses::kDifferent : SetClasses::kAny;
}

SetOrder order_by_class(const ImageSource& source, const std::vector<std::int64_t>& order, std::int64_t count, SetClasses classes) {
  if (classes == SetClasses::kAny) return {order, std::ssize(order) / count, 0};
  auto queues = by_classes(source, order);
  SetOrder out{{}, 0, std::ssize(queues)};
  if (classes == SetClasses::kSame) sets_of_one_class(queues, count, out);
  else sets_of_many_classes(queues, count, out);
  for (const auto& queue : queues) out.images.insert(out.images.end(), queue.begin(), queue.end());
  return out;
}

}  // namespace palimpsest
