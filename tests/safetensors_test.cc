#include "runtime/safetensors.h"

#include <cstring>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/random_stream.h"
#include "runtime/safetensors_writer.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

namespace fs = std::filesystem;

std::string refusal_of_header(const std::string& header, std::uint64_t data_size) {
  try {
    parse_safetensors_header(std::as_bytes(std::span(header)), data_size, "f");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

class Safetensors : public ::testing::Test {
 protected:
  void write(const std::string& bytes) const { std::ofstream(file_, std::ios::binary) << bytes; }

  std::string refusal() const {
    try {
      SafetensorsFile read(file_);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }

  void write_three() const {
    const std::vector<TensorView> tensors = {{"b", "F32", {2, 2}, std::as_bytes(std::span(floats_))},
                                             {"a", "U8", {3}, std::as_bytes(std::span(bytes_))},
                                             {"empty", "I64", {0, 4}, {}}};
    write_safetensors(file_, tensors, {{"made by", "a \"test\"\n"}});
  }

  TemporaryFolder folder_;
  const fs::path file_ = folder_ / "f.safetensors";
  const std::vector<float> floats_ = {1.5f, -2, 3, 4e-20f};
  const std::vector<std::uint8_t> bytes_ = {7, 8, 255};
};

TEST_F(Safetensors, WrittenPieceByPieceIsTheSameFileAndNoneUntilItIsWhole) {
  write_three();
  const auto at_once = read_file(file_);
  fs::remove(file_);
  const std::vector<TensorRoom> rooms = {{"b", "F32", {2, 2}, 16}, {"a", "U8", {3}, 3}, {"empty", "I64", {0, 4}, 0}};
  const auto floats = std::as_bytes(std::span(floats_)), bytes = std::as_bytes(std::span(bytes_));
  {
    SafetensorsWriter writer(file_, rooms, {{"made by", "a \"test\"\n"}});
    writer.append("a", bytes.first(2));
    writer.append("b", floats.first(4));
    writer.append("a", bytes.subspan(2));
    EXPECT_THROW(writer.finish(), std::logic_error);
    EXPECT_THROW(writer.append("a", bytes.first(1)), std::logic_error);
    EXPECT_FALSE(fs::exists(file_));
    writer.append("b", floats.subspan(4));
    writer.finish();
  }
  EXPECT_EQ(read_file(file_), at_once);
  { SafetensorsWriter given_up(folder_ / "other", rooms, {}); }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()), 1);
}

TEST_F(Safetensors, ReadsBackWhatItWrote) {
  write_three();
  const SafetensorsFile read(file_);
  ASSERT_EQ(read.tensors().size(), 3u);
  EXPECT_EQ(read.tensors().at("b").dtype, "F32");
  EXPECT_EQ(read.tensors().at("b").shape, (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(std::memcmp(read.bytes("b").data(), floats_.data(), 16), 0);
  EXPECT_EQ(std::memcmp(read.bytes("a").data(), bytes_.data(), 3), 0);
  EXPECT_EQ(read.bytes("empty").size(), 0u);
  EXPECT_EQ(read.metadata().at("made by"), "a \"test\"\n");
}

TEST_F(Safetensors, StartEachTensorAtAMultipleOfItsWidth) {
  write_three();
  const SafetensorsFile read(file_);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(read.bytes("b").data()) % 4, 0u);
}

TEST_F(Safetensors, AreTheSameBytesWhateverOrderTensorsAreGivenIn) {
  const std::vector<TensorView> tensors = {{"x", "U8", {3}, std::as_bytes(std::span(bytes_))},
                                           {"y", "U8", {3}, std::as_bytes(std::span(bytes_))}};
  write_safetensors(file_, tensors, {});
  const std::string first = read_file(file_);
  write_safetensors(file_, std::vector<TensorView>{tensors[1], tensors[0]}, {});
  EXPECT_EQ(read_file(file_), first);
}

TEST_F(Safetensors, NameTheNearestTensorWhenOneIsMissing) {
  write_three();
  const SafetensorsFile read(file_);
  try {
    read.bytes("emty");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("there is no tensor emty in it. The nearest name is empty."));
  }
}

TEST_F(Safetensors, AreNotWrittenWhereTheyCouldNotBeRead) {
  EXPECT_THROW(
      write_safetensors(file_, std::vector<TensorView>{{"a", "U8", {4}, std::as_bytes(std::span(bytes_))}}, {}),
      InputError);
  EXPECT_THROW(
      write_safetensors(file_, std::vector<TensorView>{{"a", "X9", {3}, std::as_bytes(std::span(bytes_))}}, {}),
      InputError);
  EXPECT_FALSE(fs::exists(file_));
}

TEST_F(Safetensors, LeaveTheOldFileAndNothingElseWhereTheFolderCannotBeWritten) {
  write_three();
  const std::string whole = read_file(file_);
  EXPECT_THROW(write_safetensors(folder_ / "none" / "f", {}, {}), InputError);
  EXPECT_EQ(read_file(file_), whole);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()), 1);
}

TEST_F(Safetensors, AreRefusedWithAWordOnWhatTheFileIs) {
  EXPECT_THAT(refusal(), HasSubstr("f.safetensors: cannot be read: No such file or directory"));
  write("");
  EXPECT_THAT(refusal(), HasSubstr("0 bytes are too few"));
  write("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  EXPECT_THAT(refusal(), HasSubstr("Git LFS pointer"));
  write(std::string("PK\x03\x04\0\0\0\0\0\0\0\0\0\0", 14));
  EXPECT_THAT(refusal(), HasSubstr("PyTorch file"));
  write(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10));
  EXPECT_THAT(refusal(), HasSubstr("tell of a header of 18446744073709551615 bytes, but 2 follow"));
  fs::remove(file_);
  fs::create_directory(file_);
  EXPECT_THAT(refusal(), HasSubstr("Is a directory"));
}

TEST_F(Safetensors, WithAHeaderAbove100MBAreRefusedUnread) {
  const std::uint64_t length = 100'000'001;
  std::string start(8, '\0');
  std::memcpy(start.data(), &length, 8);
  write(start);
  fs::resize_file(file_, 8 + length);  // a sparse file
  EXPECT_THAT(refusal(), HasSubstr("at most 100 MB are read"));
}

TEST_F(Safetensors, AreRefusedAtEveryCut) {
  write_three();
  const std::string whole = read_file(file_);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    write(whole.substr(0, length));
    EXPECT_NE(refusal(), "") << length;
  }
}

// A flipped byte of a tensor's data cannot be seen here; of the header it is an InputError or another sound header.
TEST_F(Safetensors, AreSafeUnderEveryFlippedByteAndRandomDamage) {
  write_three();
  const std::string whole = read_file(file_);
  const auto try_it = [&](const std::string& damaged) {
    write(damaged);
    try {
      const SafetensorsFile read(file_);
      std::uint64_t sum = 0;
      for (const auto& [name, entry] : read.tensors())
        for (const std::byte byte : read.bytes(name)) sum += std::to_integer<std::uint64_t>(byte);
      EXPECT_LT(sum, 255 * whole.size());
    } catch (const InputError&) {
    }
  };
  for (std::size_t place = 0; place < whole.size(); ++place)
    for (const int mask : {1, 2, 16, 128, 255}) {
      std::string damaged = whole;
      damaged[place] = static_cast<char>(damaged[place] ^ mask);
      try_it(damaged);
    }
  const RandomStream random(5);
  for (std::uint64_t round = 0; round < 500; ++round) {
    std::string damaged = whole;
    for (std::uint64_t i = 0; i < 6; ++i)
      damaged[random.below(round * 16 + i, damaged.size())] = static_cast<char>(random.bits(round * 64 + i));
    try_it(damaged);
  }
}

TEST(SafetensorsHeader, AcceptsTensorsThatFillTheDataInAnyOrder) {
  EXPECT_EQ(
      refusal_of_header(
          R"({"z":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"data_offsets":[4,12],"shape":[1,2],"dtype":"F32"}}  )",
          12),
      "");
  EXPECT_EQ(refusal_of_header("{}", 0), "");
  EXPECT_EQ(refusal_of_header(R"({"scalar":{"dtype":"F64","shape":[],"data_offsets":[0,8]}})", 8), "");
}

struct Broken {
  const char* header;
  std::uint64_t data_size;
  const char* reason;
};

TEST(SafetensorsHeader, RefusesWhatBreaksARuleByItsName) {
  const Broken cases[] = {
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}})",
       7, "tensor b overlaps"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}})",
       9, "a hole of 1 bytes before tensor b"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})", 6, "a hole of 2 bytes before tensor a"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 3,
       "tensor a ends at byte 4 of the data, of which there are 3"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 9, "5 bytes after the last tensor"},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,4]}})", 4,
       "tensor a has 4 bytes, but its dtype and shape need 16"},
      {R"({"a":{"dtype":"F31","shape":[4],"data_offsets":[0,4]}})", 4, "dtype F31, which is unknown"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})", 4, "ends before it begins"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0]}})", 4, "1 data_offsets, not 2"},
      {R"({"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}})", 4, "negative number"},
      {R"({"a":{"dtype":"U8","shape":[4.0],"data_offsets":[0,4]}})", 4, "4.0, which is no whole number"},
      {R"({"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,4]}})", 4, "no whole number of 64 bits"},
      {R"({"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,4]}})", 4,
       "a side of 18446744073709551615"},
      {R"({"a":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
       "more elements than 64 bits can count"},
      {R"({"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})", 0,
       "more elements than 64 bits can count"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
       4, "tensor a occurs twice"},
      {R"({"a":{"dtype":"U8","dtype":"I8","shape":[4],"data_offsets":[0,4]}})", 4, "has dtype twice"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"stride":[1]}})", 4, "field stride, which is unknown"},
      {R"({"a":{"dtype":"U8","shape":[4]}})", 4, "lacks its dtype, shape or data_offsets"},
      {R"({"a":{"dtype":"U8","shape":[[4]],"data_offsets":[0,4]}})", 4, "a list where none belongs"},
      {R"({"a":{"dtype":["U8"],"shape":[4],"data_offsets":[0,4]}})", 4, "a list where none belongs"},
      {R"({"a":{"dtype":7,"shape":[4],"data_offsets":[0,4]}})", 4, "a number where none belongs"},
      {R"({"a":{"dtype":null,"shape":[4],"data_offsets":[0,4]}})", 4, "holds null"},
      {R"({"a":{"dtype":{"b":1},"shape":[4],"data_offsets":[0,4]}})", 4, "an object where none belongs"},
      {R"({"a":[]})", 0, "a list where none belongs"},
      {R"({"__metadata__":{"k":"v","k":"w"}})", 0, "tells k twice"},
      {R"({"__metadata__":{"k":1}})", 0, "a number where none belongs"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0, "occurs twice"},
      {R"([1])", 0, "does not begin with {"},
      {R"( {})", 0, "does not begin with {"},
      {R"({} x)", 0, "is not JSON"},
      {R"({"a":)", 0, "is not JSON"},
      {"{\"\xff\":1}", 0, "is not JSON"},
      {"", 0, "does not begin with {"},
  };
  for (const Broken& broken : cases)
    EXPECT_THAT(refusal_of_header(broken.header, broken.data_size), HasSubstr(broken.reason)) << broken.header;
}

TEST(SafetensorsHeader, SurvivesDeepNesting) {
  EXPECT_NE(refusal_of_header("{\"a\":" + std::string(1'000'000, '[') + "}", 0), "");
  EXPECT_NE(refusal_of_header(std::string(1'000'000, '{'), 0), "");
}

}  // namespace
}  // namespace palimpsest
