#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <spdlog/logger.h>

namespace palimpsest {

/// The program's logger: people read it on stderr; with a folder it also writes one JSON object a line to
/// `FOLDER/log.jsonl` (time, level, rank, message), debugging lines too, which people are spared.
void open_log(int rank, const std::filesystem::path& folder = {});
spdlog::logger& log();

/// The last lines that a rank left in `FOLDER/log.jsonl`, joined by "; "; empty where there are none.
std::string last_words(const std::filesystem::path& folder, int rank);

}  // namespace palimpsest
