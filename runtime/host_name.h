#pragma once

#include <string>

namespace palimpsest {

std::string host_name();

}  // namespace palimpsest
