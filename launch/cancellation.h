#pragma once

#include <filesystem>

namespace palimpsest {

/// Asks the coordinator at work on a results folder to stop in order, by a file `cancel` in it: whoever sees the folder can ask, on any host.
void ask_to_cancel(const std::filesystem::path& results);
/// Whether somebody asked since it was forgotten.
bool asked_to_cancel(const std::filesystem::path& results);
/// What a coordinator does when it begins, and when it has heard.
void forget_cancel(const std::filesystem::path& results);

}  // namespace palimpsest
