#include "runtime/crash_point.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace palimpsest {
namespace {

struct Wanted {
  std::string name;
  int passing = 1;
};

// A name that is none would let a test pass for nothing.
Wanted wanted_crash() {
  const std::string all = std::getenv("PALIMPSEST_CRASH_AT");
  const auto colon = all.find(':');
  Wanted wanted{all.substr(0, colon), colon == std::string::npos ? 1 : std::atoi(all.c_str() + colon + 1)};
  if (std::ranges::find(kCrashPoints, wanted.name) != kCrashPoints.end()) return wanted;
  std::fprintf(stderr, "palimpsest: PALIMPSEST_CRASH_AT=%s: there is no crash point of this name.\n", all.c_str());
  _exit(2);
}

}  // namespace

const bool kCrashPointsArmed = std::getenv("PALIMPSEST_CRASH_AT") != nullptr;

void crash_point_passed(std::string_view name) {
  static const Wanted wanted = wanted_crash();
  static std::atomic<int> passed{0};
  if (wanted.name == name && ++passed == wanted.passing) kill(getpid(), SIGKILL);
}

}  // namespace palimpsest
