// libFuzzer's side; PALIMPSEST_FUZZ names the target. tests/fuzz.sh builds and runs it.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "runtime/error.h"
#include "tests/fuzz/targets.h"

namespace {

const palimpsest::FuzzTarget& chosen() {
  const char* name = std::getenv("PALIMPSEST_FUZZ");
  for (const auto& target : palimpsest::fuzz_targets())
    if (name && std::string(name) == target.name) return target;
  std::fprintf(stderr, "PALIMPSEST_FUZZ names one of:");
  for (const auto& target : palimpsest::fuzz_targets()) std::fprintf(stderr, " %s", target.name);
  std::fprintf(stderr, "\n");
  std::exit(2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const palimpsest::FuzzTarget& target = chosen();
  if (size > target.largest) return 0;
  try {
    target.read({reinterpret_cast<const std::byte*>(data), size});
  } catch (const palimpsest::Error&) {   // said what is wrong
  }
  return 0;
}
