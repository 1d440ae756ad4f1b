#include "runtime/failure.h"

#include <cerrno>
#include <new>
#include <system_error>

#include "runtime/error.h"

namespace palimpsest {
namespace {

Failure failure_at(const std::filesystem::filesystem_error& error) {
  const std::string trouble = disk_trouble(error.path1(), error.code().value());
  if (!trouble.empty()) return {3, trouble};
  return {2, error.path1().string() + ": " + error.code().message() + ". Check the path and its permissions."};
}

}  // namespace

Failure failure_of(const std::exception& error) {
  if (const auto* known = dynamic_cast<const Error*>(&error)) return {known->exit_code(), known->what()};
  if (const auto* place = dynamic_cast<const std::filesystem::filesystem_error*>(&error)) return failure_at(*place);
  if (dynamic_cast<const std::bad_alloc*>(&error)) return {3, "out of memory. Run the same command again with fewer ranks or smaller packs."};
  return {1, error.what()};
}

std::string disk_trouble(const std::filesystem::path& place, int error) {
  const std::string reason = std::generic_category().message(error);
  if (error == ENOSPC || error == EDQUOT) return place.string() + ": the disk is full (" + reason + "). Free some space and run the same command again.";
  if (error == EIO) return place.string() + ": the disk failed (" + reason + "). Run the same command again when it is well.";
  return {};
}

}  // namespace palimpsest
