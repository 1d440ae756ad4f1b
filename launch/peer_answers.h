#pragma once

#include <filesystem>

#include "launch/host_facts.h"

namespace palimpsest {

/// What `launch` asks a host with before it starts ranks there: says a line of facts, and then answers lines, "time" with its clock, "links TARGETS"
/// with how the connections went. It ends with its input. `program`: the file that all hosts must share.
int answer_launch(const HostQuestions& questions, const std::filesystem::path& program);

}  // namespace palimpsest
