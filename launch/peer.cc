// palimpsest-peer: what `launch` starts on each host before it starts ranks there. A program of its own, free of LibTorch, which takes half a second to
// load; whether the program beside it finds its libraries is asked of the loader.

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <array>
#include <cstdio>
#include <memory>

#include "launch/host_probe.h"
#include "launch/peer_answers.h"

namespace palimpsest {
namespace {

// The loader names a library that is not there as "libtorch.so => not found".
std::vector<std::string> libraries_missed_by(const std::filesystem::path& program) {
  const std::unique_ptr<FILE, int (*)(FILE*)> lines(popen(("LD_TRACE_LOADED_OBJECTS=1 " + shell_line({program.string()}) + " 2>&1").c_str(), "r"), pclose);
  std::vector<std::string> missed;
  std::array<char, 4096> buffer;
  while (lines && fgets(buffer.data(), buffer.size(), lines.get())) {
    const std::string line = buffer.data();
    const auto begin = line.find_first_not_of(" \t");
    if (line.find("=> not found") != std::string::npos) missed.push_back(line.substr(begin, line.find(' ', begin) - begin));
  }
  return missed;
}

int answer(const std::vector<std::string>& words) {
  HostQuestions questions;
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    if (words[i] == "--input") questions.inputs.push_back(words[i + 1]);
    if (words[i] == "--images") questions.images.push_back(words[i + 1]);
    if (words[i] == "--folder-token") questions.folder_token = words[i + 1];
  }
  const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "palimpsest";
  if (const auto missed = libraries_missed_by(program); !missed.empty()) {
    fmt::print(stderr, "{} finds no {}. Install on every host what was there where it was built\n", program.string(), fmt::join(missed, ", "));
    return 1;
  }
  return answer_launch(questions, program);
}

}  // namespace
}  // namespace palimpsest

int main(int count, char** words) { return palimpsest::answer({words + 1, words + count}); }
