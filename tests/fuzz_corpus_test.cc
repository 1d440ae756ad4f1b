// Every kept input of every fuzz target, and what is left of it when it is cut or one byte of it changes, is read or refused with a sentence.

#include <gtest/gtest.h>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/random_stream.h"
#include "tests/fuzz/targets.h"

namespace palimpsest {
namespace {

constexpr std::uint64_t kVariants = 30;   // of each input

class AReader : public testing::TestWithParam<FuzzTarget> {
 protected:
  bool reads(const std::string& text) {
    try {
      GetParam().read(std::as_bytes(std::span(text)));
      return true;
    } catch (const Error& error) {
      EXPECT_STRNE(error.what(), "");
      return false;
    }
  }
};

TEST_P(AReader, ReadsOrRefusesWhatIsKeptAndWhatIsLikeIt) {
  int inputs = 0, read = 0, variants = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(PALIMPSEST_CORPUS) / GetParam().name)) {
    const std::string text = read_file(entry.path());
    SCOPED_TRACE(entry.path().filename().string());
    ++inputs;
    read += reads(text);
    const RandomStream random = RandomStream(purpose(entry.path().filename().string()));
    for (std::uint64_t i = 0; i < kVariants && !text.empty(); ++i, ++variants) {
      std::string other = text;
      const auto at = random.below(2 * i, text.size());
      if (i % 3 == 0) other.resize(at);
      else other[at] = static_cast<char>(random.below(2 * i + 1, 256));
      reads(other);
    }
  }
  std::printf("%s: %d kept inputs, %d of them good, and %d variants\n", GetParam().name, inputs, read, variants);
  EXPECT_GT(inputs, 1);
  EXPECT_GT(read, 0);
}

INSTANTIATE_TEST_SUITE_P(Each, AReader, testing::ValuesIn(fuzz_targets()), [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace palimpsest
