#pragma once

#include <exception>
#include <filesystem>
#include <string>

namespace palimpsest {

/// What ends the program, or a rank's part in common work.
struct Failure {
  int exit_code = 0;   // 0: none
  std::string text;
};

/// The exit code and the sentence of whatever was thrown: those of an Error as they are, of a place in the file system that place, its trouble and what to do.
Failure failure_of(const std::exception&);

/// Of a disk that is full or fails (ENOSPC, EDQUOT, EIO), with what to do; empty where `error` is the fault of no disk.
std::string disk_trouble(const std::filesystem::path& place, int error);

}  // namespace palimpsest
