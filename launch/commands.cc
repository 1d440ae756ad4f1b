#include "launch/command.h"

namespace palimpsest {
const std::vector<Command>& commands() {
  static const std::vector<Command> list = {};
  return list;
}
}  // namespace palimpsest
