#include <fstream>
#include <map>

#include <gmock/gmock.h>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/image_pack.h"
#include "runtime/image_shards.h"
#include "runtime/shard_names.h"
#include "runtime/tar.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace fs = std::filesystem;

const fs::path kPillow = fs::path(PALIMPSEST_TEST_DATA) / "pillow";

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

using Files = std::vector<std::pair<std::string, std::string>>;

fs::path write_tar(const fs::path& file, const Files& members) {
  TarWriter writer(file);
  for (const auto& [name, content] : members) writer.add(name, bytes_of(content));
  writer.finish();
  return file;
}

Files read_tar(const fs::path& file) {
  Files read;
  for (const TarMember& member : tar_members(file)) read.emplace_back(member.name, read_member(file, member));
  return read;
}

void write_text(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

std::string photograph() { return read_file(kPillow / "chroma-420.jpg"); }

class Shards : public testing::Test {
 protected:
  std::unique_ptr<ImageSource> open(const fs::path& path, std::int64_t total = 0) {
    return image_shards({.path = path, .total = total}, [this](const std::string& what) { warnings_.push_back(what); });
  }
  std::string refused(const fs::path& path, std::int64_t total = 0) {
    try {
      open(path, total);
    } catch (const InputError& error) {
      return error.what();
    }
    return "not refused";
  }
  Packed pack(ImagePack options) {
    options.folder = folder_ / "images";
    if (options.out.empty()) options.out = folder_ / "shards";
    options.warn = [this](const std::string& what) { warnings_.push_back(what); };
    return pack_images(options);
  }

  TemporaryFolder folder_;
  std::vector<std::string> warnings_;
};

TEST_F(Shards, ATarGivesBackWhatWasWrittenLongNamesAndAll) {
  const std::string longer = "folder/" + std::string(300, 'n') + ".jpg";
  const Files members = {
      {"a.jpg", "12345"}, {longer, std::string(512, 'x')}, {"empty.cls", ""}, {std::string(100, 'e'), "end"}};
  EXPECT_EQ(read_tar(write_tar(folder_ / "a.tar", members)), members);
}

TEST_F(Shards, AnUnfinishedTarLeavesNothing) {
  { TarWriter(folder_ / "a.tar").add("a", bytes_of("1")); }
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(Shards, EveryCutOfATarIsRefusedWithTheByteAndTheMember) {
  const std::string whole =
      read_file(write_tar(folder_ / "a.tar", {{"one.jpg", std::string(700, 'x')}, {"two.jpg", "y"}}));
  for (std::size_t length = 0; length <= whole.size() - 1024; length += 37) {
    write_text(folder_ / "cut.tar", whole.substr(0, length));
    EXPECT_THROW(tar_members(folder_ / "cut.tar"), InputError) << length;
  }
  write_text(folder_ / "cut.tar", whole.substr(0, 1000));
  EXPECT_THAT(refused(folder_ / "cut.tar"), AllOf(HasSubstr("cut.tar: this archive is cut off at byte 1000"),
                                                  HasSubstr("its member one.jpg begins at byte 0")));
  write_text(folder_ / "cut.tar", whole.substr(0, whole.size() - 1024));
  EXPECT_THAT(refused(folder_ / "cut.tar"), HasSubstr("ends without the two blocks of zeros"));
}

TEST_F(Shards, AFlippedByteOfAHeaderIsRefusedWithItsPlace) {
  const std::string whole = read_file(write_tar(folder_ / "a.tar", {{"one.jpg", "x"}, {"two.jpg", "y"}}));
  for (std::size_t place = 1024; place < 1024 + 300; ++place) {
    if (place == 1024 + 155) continue;  // nobody reads the last byte of the checksum field
    std::string flipped = whole;
    flipped[place] = static_cast<char>(flipped[place] ^ 1);
    write_text(folder_ / "flipped.tar", flipped);
    EXPECT_THAT(refused(folder_ / "flipped.tar"),
                HasSubstr("the header at byte 1024, after the member one.jpg is damaged"))
        << place;
  }
}

TEST_F(Shards, FilesOfOtherLayoutsAreCalledWhatTheyAre) {
  const std::map<std::string, std::string> told = {{std::string("\x1f\x8b\x08"), "compressed by gzip; unpack it"},
                                                   {"PK\x03\x04", "a zip archive"},
                                                   {"PAR1", "a Parquet table"},
                                                   {photograph(), "an image; set images.source = \"folder\""},
                                                   {"some text", "something else"}};
  for (const auto& [start, said] : told) {
    write_text(folder_ / "a.tar", start + std::string(600, 'x'));
    EXPECT_THAT(refused(folder_ / "a.tar"), AllOf(HasSubstr("a.tar: this is no tar archive but "), HasSubstr(said)));
  }
  write_text(folder_ / "a.tar", "");
  EXPECT_THAT(refused(folder_ / "a.tar"), HasSubstr("a.tar: this file is empty"));
  write_tar(folder_ / "a.tar", {});
  EXPECT_THAT(refused(folder_ / "a.tar"), HasSubstr("none of its 0 members is an image"));
  write_tar(folder_ / "a.tar", {{"train/data.npy", "x"}});
  EXPECT_THAT(
      refused(folder_ / "a.tar"),
      AllOf(HasSubstr("none of its 1 members is an image (the first is train/data.npy)"), HasSubstr("KEY.jpg")));
}

TEST_F(Shards, PathsThatNameNoShardAreRefused) {
  fs::create_directories(folder_ / "empty");
  EXPECT_THAT(refused(folder_ / "empty"), HasSubstr("there is no shard in this folder"));
  EXPECT_THAT(refused(folder_ / "none"), HasSubstr("there are no shards"));
  EXPECT_THAT(refused(folder_ / "a-{2..1}.tar"), HasSubstr("must rise"));
  write_tar(folder_ / "a-000.tar", {{"a.jpg", photograph()}});
  EXPECT_THAT(refused(folder_ / "a-{000..001}.tar"), HasSubstr("a-001.tar: there is no such shard"));
  EXPECT_THAT(refused(folder_ / "a-000.tar", 2), HasSubstr("1 images, but images.total asks for 2"));
}

TEST_F(Shards, AFolderAPatternAndAFileNameShards) {
  for (const char* name : {"a-000.tar", "a-001.tar", "a-002.tar"}) write_tar(folder_ / name, {{"x.jpg", photograph()}});
  EXPECT_EQ(shard_files(folder_.path()).size(), 3u);
  EXPECT_THAT(shard_files(folder_ / "a-{001..002}.tar"), ElementsAre(folder_ / "a-001.tar", folder_ / "a-002.tar"));
  EXPECT_EQ(open(folder_ / "a-001.tar")->count(), 1);
}

TEST_F(Shards, NamesAreSplitAsWebDatasetDoes) {
  EXPECT_EQ(sample_name("a/b.c/0007.seg.PNG"), (SampleName{"a/b.c/0007", "seg.png"}));
  EXPECT_EQ(sample_name("0007"), (SampleName{"0007", ""}));
}

TEST_F(Shards, ADamagedMemberIsNamedSkippedAndCounted) {
  const std::string sound = photograph();
  write_tar(folder_ / "a.tar", {{"0.jpg", sound},
                                {"1.jpg", sound.substr(0, sound.size() / 2)},
                                {"1.cls", "3"},
                                {"2.jpg", ""},
                                {"3.jpg", sound}});
  const auto images = open(folder_ / "a.tar");
  ASSERT_EQ(images->count(), 2);
  EXPECT_EQ(images->name(1), "3.jpg");
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("a.tar, member 1.jpg at byte "),
                                           HasSubstr("is damaged or cut off"), HasSubstr("It is skipped.")),
                                     AllOf(HasSubstr("member 2.jpg"), HasSubstr("empty")),
                                     HasSubstr("2 of 4 images of 1 shard are damaged and left out")));
}

TEST_F(Shards, APackedFolderGivesTheImagesMasksAndHashesOfTheFolder) {
  write_text(folder_ / "images" / "dog" / "a.b.jpg", photograph());
  write_text(folder_ / "images" / "cat" / "c.png", read_file(kPillow / "source.png"));
  const Image like = decode_image(kPillow / "chroma-420.jpg");
  Image mask{like.width, like.height, std::vector<std::uint8_t>(like.rgb.size(), 255)};
  fs::create_directories(folder_ / "masks" / "dog");
  write_png(folder_ / "masks" / "dog" / "a.b.png", mask);
  const Packed packed = pack({.masks = folder_ / "masks"});
  EXPECT_EQ(packed.images, 2);
  EXPECT_EQ(packed.masks, 1);
  const auto shards = open(folder_ / "shards");
  Settings settings = default_settings(image_keys());
  settings.set("images.source", std::string("folder"));
  settings.set("images.path", (folder_ / "images").string());
  settings.set("images.masks", (folder_ / "masks").string());
  const auto files = open_images(settings, {});
  ASSERT_EQ(shards->count(), 2);
  EXPECT_EQ(shards->name(0), "cat/c.png");
  EXPECT_EQ(shards->name(1), "dog/a_b.jpg");
  EXPECT_EQ(shards->mask(1)->figure, files->mask(1)->figure);
  EXPECT_FALSE(shards->mask(0).has_value());
  EXPECT_TRUE(shards->has_masks());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(shards->image(i), files->image(i));
    EXPECT_EQ(shards->hash(i), files->hash(i));
  }
}

TEST_F(Shards, LabelsOfSubfoldersAreKept) {
  for (const char* name : {"dog/1.jpg", "dog/2.jpg", "ape/1.jpg"}) write_text(folder_ / "images" / name, photograph());
  pack({});
  EXPECT_EQ(read_file(folder_ / "shards" / "classes.txt"), "ape\ndog\n");
  std::vector<std::string> told;
  for (const auto& [name, content] : read_tar(folder_ / "shards" / "shard-000000.tar"))
    if (sample_name(name).ending == "cls") told.push_back(name + " " + content);
  EXPECT_THAT(told, ElementsAre("ape/1.cls 0", "dog/1.cls 1", "dog/2.cls 1"));
}

TEST_F(Shards, FilesThatWouldShareAKeyAreTwoSamples) {
  for (const char* name : {"a.b.jpg", "a_b.jpg", "a_b.jpeg"}) write_text(folder_ / "images" / name, photograph());
  EXPECT_EQ(pack({}).images, 3);
  std::vector<std::string> names;
  for (const TarMember& member : tar_members(folder_ / "shards" / "shard-000000.tar")) names.push_back(member.name);
  EXPECT_THAT(names, ElementsAre("a_b.jpg", "a_b-2.jpg", "a_b-3.jpg"));
}

TEST_F(Shards, ReducedImagesHaveTheShortSideAndSmallOnesStayAsTheyAre) {
  write_text(folder_ / "images" / "large.jpg", photograph());
  write_text(folder_ / "images" / "large.png", read_file(kPillow / "source.png"));
  Image small{9, 12, std::vector<std::uint8_t>(9 * 12 * 3, 7)};
  write_png(folder_ / "images" / "small.png", small);
  pack({.side = 16});
  const auto images = open(folder_ / "shards");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(std::min(images->image(i).width, images->image(i).height), 16);
  EXPECT_EQ(images->hash(2), file_hash(folder_ / "images" / "small.png"));
}

TEST_F(Shards, PackingIsTheSameBytesWhateverTheThreadsAndFillsShardsToTheirSize) {
  for (int i = 0; i < 9; ++i) write_text(folder_ / "images" / (std::to_string(i) + ".jpg"), photograph());
  const auto shard_bytes = static_cast<std::int64_t>(2 * photograph().size());
  const Packed packed = pack({.out = folder_ / "one", .shard_bytes = shard_bytes, .threads = 1});
  pack({.out = folder_ / "three", .shard_bytes = shard_bytes, .threads = 3});
  EXPECT_EQ(packed.shards, 5);
  std::int64_t images = 0;
  for (const fs::path& file : shard_files(folder_ / "one")) {
    EXPECT_EQ(read_file(file), read_file(folder_ / "three" / file.filename().string()));
    images += std::ssize(tar_members(file));
  }
  EXPECT_EQ(images, 9);
}

TEST_F(Shards, AnImageThatCannotBeReadIsLeftOutOfThePackAndNamed) {
  write_text(folder_ / "images" / "a.jpg", photograph());
  write_text(folder_ / "images" / "b.jpg", "text");
  const Packed packed = pack({});
  EXPECT_EQ(packed.images, 1);
  EXPECT_EQ(packed.left_out, 1);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("b.jpg: this is text, not a JPEG or PNG")));
}

TEST_F(Shards, AStoppedOrRefusedPackLeavesNoFolder) {
  write_text(folder_ / "images" / "a.jpg", photograph());
  EXPECT_THROW(pack({.should_stop = [] { return true; }}), Interrupted);
  write_text(folder_ / "images" / "a.jpg", "text");
  EXPECT_THROW(pack({}), InputError);
  EXPECT_THAT(std::vector<fs::path>(fs::directory_iterator(folder_.path()), fs::directory_iterator()),
              ElementsAre(folder_ / "images"));
  write_text(folder_ / "images" / "a.jpg", photograph());
  pack({});
  EXPECT_THROW(pack({}), InputError) << "a second pack would have mixed with the first";
}

}  // namespace
}  // namespace palimpsest
