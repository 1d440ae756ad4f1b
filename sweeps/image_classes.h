#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/image_source.h"

namespace palimpsest {

/// How the images of a set belong together, where folders are classes (the first in which images differ: CLASS/IMAGE, CLASS/images/IMAGE, train/CLASS/IMAGE): key "images.classes".
enum class SetClasses {
  kAny,        // as they are drawn
  kSame,       // all of one class; the next set is of the next one
  kDifferent,  // no two of one class
};
SetClasses set_classes_of(const std::string& word);  // any | same | different

/// The images of `order` laid out anew so that each `count` of them, one set behind the other, belong together as
/// `classes` says; what no set can be made of follows. Within a class they keep their order.
struct SetOrder {
  std::vector<std::int64_t> images;
  std::int64_t sets = 0;     // that can be had
  std::int64_t classes = 0;  // of all images
};

/// Throws InputError for an image that lies in no class (under kSame and kDifferent).
SetOrder order_by_class(const ImageSource&, const std::vector<std::int64_t>& order, std::int64_t count, SetClasses classes);

}  // namespace palimpsest
