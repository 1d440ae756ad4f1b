#include "launch/restarts.h"

namespace palimpsest {
namespace {

constexpr std::chrono::minutes kLongLife{10};
constexpr std::chrono::seconds kShortLife{30};

}  // namespace

void Restarts::count(const LostWorld& world) {
  if (world.lived > kLongLife) left_ = allowed_, number_ = 0;
  in_vain_ = world.by_itself && !world.worked && world.lived < kShortLife ? in_vain_ + 1 : 0;
  --left_;
  ++number_;
}

}  // namespace palimpsest
