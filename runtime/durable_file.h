#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace palimpsest {

/// Writes a file whole or not at all: temporary file beside it, fsync, rename, fsync of the folder. Throws Interrupted on
/// a full disk (the temporary file is removed), InputError where the folder cannot be written to.
void write_durably(const std::filesystem::path& file, std::span<const std::byte> bytes);
void write_durably(const std::filesystem::path& file, std::string_view text);
void write_durably(const std::filesystem::path& file, std::span<const std::span<const std::byte>> parts);  // one after another

std::string read_file(const std::filesystem::path& file);  // throws InputError that names it
std::string read_start(const std::filesystem::path& file, std::size_t most);  // its first bytes

/// XXH3-128 as 32 hex digits.
std::string content_hash(std::span<const std::byte> bytes);
std::string content_hash(std::string_view text);
std::string file_hash(const std::filesystem::path& file);

/// Makes a folder a program is about to write into, and proves that it can. Throws InputError with the reason.
void prepare_folder(const std::filesystem::path& folder);

}  // namespace palimpsest
