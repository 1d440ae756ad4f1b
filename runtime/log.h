#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <spdlog/logger.h>

namespace palimpsest {

/// The program's logger: people read it on stderr; with a folder it also writes one JSON object a line to
/// `FOLDER/log.jsonl` (time, level, rank, message).
void open_log(int rank, const std::filesystem::path& folder = {});
spdlog::logger& log();

}  // namespace palimpsest
