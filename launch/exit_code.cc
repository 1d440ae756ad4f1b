#include "launch/exit_code.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace palimpsest {

int hand_over(int exit_code) {
  const char* file = std::getenv("PALIMPSEST_EXIT_FILE");
  if (!file) return exit_code;
  const int handle = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (handle < 0) return exit_code;
  const std::string text = std::to_string(exit_code) + "\n";
  const bool written = write(handle, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(handle);
  return written ? 0 : exit_code;
}

}  // namespace palimpsest
