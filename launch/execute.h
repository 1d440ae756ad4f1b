#pragma once

#include <string>
#include <vector>

namespace palimpsest {

/// Becomes the command (its first word is looked up in PATH), as execvp; returns only where it cannot be started, with errno set.
/// For a child after fork: allocates, which is sound as long as the parent had one thread.
void execute(const std::vector<std::string>& command);

}  // namespace palimpsest
