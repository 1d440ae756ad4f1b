#include "launch/cancellation.h"

#include "runtime/durable_file.h"

namespace palimpsest {
namespace {

std::filesystem::path file_in(const std::filesystem::path& results) { return results / "cancel"; }

}  // namespace

void ask_to_cancel(const std::filesystem::path& results) { write_durably(file_in(results), "asked to end in order\n"); }

bool asked_to_cancel(const std::filesystem::path& results) {
  std::error_code ignored;
  return std::filesystem::exists(file_in(results), ignored);
}

void forget_cancel(const std::filesystem::path& results) {
  std::error_code ignored;
  std::filesystem::remove(file_in(results), ignored);
}

}  // namespace palimpsest
