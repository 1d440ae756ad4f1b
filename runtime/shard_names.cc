#include "runtime/shard_names.h"

#include <algorithm>
#include <regex>
#include <string>

#include "runtime/error.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;

constexpr long long kMostShards = 1'000'000;

std::string padded(long long number, std::size_t width) {
  const std::string digits = std::to_string(number);
  return std::string(digits.size() < width ? width - digits.size() : 0, '0') + digits;
}

std::vector<fs::path> files_of_folder(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().extension() == ".tar" && !entry->path().filename().string().starts_with("."))
      files.push_back(entry->path());
  if (error)
    throw InputError(folder.string() + ": this folder cannot be read: " + error.message() + ". Check its permissions.");
  if (files.empty())
    throw InputError(folder.string() +
                     ": there is no shard in this folder. Put .tar files there (palimpsest images pack "
                     "makes them), or set images.source = \"folder\" for plain images.");
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::vector<fs::path> shard_files(const fs::path& path) {
  static const std::regex pattern(R"(^(.*)\{(\d{1,12})\.\.(\d{1,12})\}(.*)$)");
  std::smatch match;
  const std::string text = path.string();
  if (std::regex_match(text, match, pattern)) {
    const std::string first_digits = match[2];
    const long long first = std::stoll(first_digits), last = std::stoll(match[3]);
    if (last < first || last - first >= kMostShards)
      throw InputError(text + ": the numbers of shards must rise, by less than a million. Write {first..last}.");
    std::vector<fs::path> files;
    for (long long number = first; number <= last; ++number) {
      files.emplace_back(std::string(match[1]) + padded(number, first_digits.size()) + std::string(match[4]));
      if (!fs::exists(files.back()))
        throw InputError(files.back().string() + ": there is no such shard. Check the numbers of " + text + ".");
    }
    return files;
  }
  if (fs::is_directory(path)) return files_of_folder(path);
  if (fs::exists(path)) return {path};
  throw InputError(text +
                   ": there are no shards. Name a folder of .tar files, one of them, or name-{000000..000009}.tar.");
}

}  // namespace palimpsest
