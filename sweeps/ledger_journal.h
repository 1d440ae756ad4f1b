#pragma once

#include <cstdint>
#include <filesystem>

namespace palimpsest {

/// What kind of file system a folder lies on: f_type of statfs(2). PALIMPSEST_FILE_SYSTEM, in hex, says otherwise, for tests.
std::int64_t file_system_type(const std::filesystem::path& folder);

/// The journal that is safe there, as SQL. A write-ahead log is the fastest, but its index is memory that processes share, which a file system
/// over a network cannot give: there changes are journalled in a file that is rolled back, and its folder is synced, too.
const char* journal_for(std::int64_t file_system);

}  // namespace palimpsest
