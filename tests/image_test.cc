#include "runtime/image.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/image_source.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

// Written by make_pillow_cases.py.
const fs::path kPillow = fs::path(PALIMPSEST_TEST_DATA) / "pillow";

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// What the InputError of a call says; empty where there is none.
template <class Call>
std::string refusal(Call call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

int largest_difference(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height) return 256;
  int largest = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) largest = std::max(largest, std::abs(a.rgb[i] - b.rgb[i]));
  return largest;
}

Image gradient(int width, int height) {
  Image image{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width) * height * 3)};
  for (std::size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<std::uint8_t>(i * 7 % 251);
  return image;
}

class Folder : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& content) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }
  void copy(const std::string& from, const std::string& to) const { write(to, read_file(kPillow / from)); }

  std::unique_ptr<ImageSource> open(std::map<std::string, Value> given = {}) {
    Settings settings = default_settings(image_keys());
    settings.set("images.source", std::string("folder"));
    settings.set("images.path", folder_.path().string());
    for (const auto& [key, value] : given) settings.set(key, value);
    return open_images(settings, [this](const std::string& warning) { warnings_.push_back(warning); });
  }
  std::string refused(std::map<std::string, Value> given = {}) {
    return refusal([&] { open(given); });
  }

  TemporaryFolder folder_;
  std::vector<std::string> warnings_;
};
using Files = Folder;
using FolderSource = Folder;

TEST(Resize, EqualsPillowBitForBit) {
  const Image source = decode_image(kPillow / "source.png");
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(kPillow)) {
    const std::string name = entry.path().filename().string();
    int width, height;
    double left, top, box_width, box_height;
    Image made;
    if (std::sscanf(name.c_str(), "resize-to-%dx%d.png", &width, &height) == 2)
      made = resize_bicubic(source, width, height);
    else if (std::sscanf(name.c_str(), "box-%lf-%lf-%lf-%lf-to-%dx%d.png", &left, &top, &box_width, &box_height, &width,
                         &height) == 6)
      made = resize_bicubic(source, width, height, left, top, box_width, box_height);
    else
      continue;
    EXPECT_EQ(made, decode_image(entry.path())) << name;
    ++cases;
  }
  EXPECT_EQ(cases, 17);
}

TEST(Resize, SpreadsOnePixel) {
  const Image pixel{1, 1, {200, 30, 90}};
  EXPECT_EQ(resize_bicubic(pixel, 8, 8), decode_image(kPillow / "one-pixel-to-8x8.png"));
  EXPECT_EQ(square(pixel, 5).rgb.size(), 75u);
}

TEST(Square, TakesTheMiddleOfTheLongSide) {
  const Image image = gradient(40, 20), whole = resize_bicubic(image, 20, 10), middle = square(image, 10);
  for (int y = 0; y < 10; ++y)
    for (int x = 0; x < 30; ++x) EXPECT_EQ(middle.rgb[y * 30 + x], whole.rgb[y * 60 + 15 + x]);
}

TEST(Square, CutsTheLongSideToWholePixelsAsClipDoes) {
  const Image wide = gradient(101, 80), whole = resize_bicubic(wide, 80, 64), middle = square(wide, 64);  // 64 * 101 / 80 = 80.8
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 3 * 64; ++x) ASSERT_EQ(middle.rgb[y * 3 * 64 + x], whole.rgb[y * 3 * 80 + 3 * 8 + x]) << x << " " << y;
  Mask mask{7, 4, std::vector<std::uint8_t>(28)};  // 2 * 7 / 4 = 3.5: of columns 1, 3 and 5 the first two
  for (int y = 0; y < 4; ++y) mask.figure[y * 7 + 3] = 255;
  EXPECT_EQ(square(mask, 2).figure, (std::vector<std::uint8_t>{0, 255, 0, 255}));
}

TEST(Square, CutsAMaskAsItsImage) {
  Mask mask{40, 20, std::vector<std::uint8_t>(800)};
  for (int y = 0; y < 20; ++y)
    for (int x = 15; x < 25; ++x) mask.figure[y * 40 + x] = 255;
  const Mask cut = square(mask, 20);
  for (int x = 0; x < 20; ++x) EXPECT_EQ(cut.figure[x], x >= 5 && x < 15 ? 255 : 0) << x;
}

TEST(Decode, GivesThePixelsThatPillowGives) {
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(kPillow)) {
    const std::string name = entry.path().filename().string(), stem = entry.path().stem().string();
    const fs::path expected = kPillow / (stem + ".expected.png");
    if (name.find(".expected.") != std::string::npos || !fs::exists(expected)) continue;
    EXPECT_EQ(largest_difference(decode_image(entry.path()), decode_image(expected)), 0) << name;
    EXPECT_EQ(image_size(entry.path()), image_size(expected)) << name;
    ++cases;
  }
  EXPECT_EQ(cases, 20);
}

TEST(DecodePart, EqualsTheSamePartOfTheWholeWhereNothingIsScaled) {
  for (const char* name : {"chroma-420.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "orientation-6.jpg", "source.png"}) {
    const std::string bytes = read_file(kPillow / name);
    const Image whole = decode_image(bytes_of(bytes), name);
    const double width = whole.width, height = whole.height;
    for (const Box box : {Box{0, 0, width * 0.6, height * 0.6}, Box{3.5, 2.25, width - 7, height - 5.5}, Box{width - 9, height - 8, 9, 8}}) {
      const Image part = decode_part(bytes_of(bytes), name, 16, [&](ImageSize size) {
        EXPECT_EQ(size, (ImageSize{whole.width, whole.height}));
        return box;
      });
      EXPECT_EQ(part, resize_bicubic(whole, 16, 16, box.left, box.top, box.width, box.height)) << name << " from " << box.left;
    }
  }
}

// Smooth as a photograph is where it is reduced.
Image waves(int width, int height) {
  Image image{width, height, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int channel = 0; channel < 3; ++channel)
        image.rgb.push_back(static_cast<std::uint8_t>(128 + 100 * std::sin(0.06 * x + channel) * std::cos(0.05 * y)));
  return image;
}

TEST(DecodePart, AReducedPartIsThatOfTheWholeToAGreyLevelOrTwo) {
  const Image drawn = waves(403, 299);
  const auto bytes = encode_jpeg(drawn, 95);
  const Image whole = decode_image(bytes, "waves.jpg");
  for (const int side : {24, 40, 70, 120})
    for (const Box box : {Box{0, 0, 403, 299}, Box{31.5, 17, 250, 260.5}, Box{150, 40, 253, 259}}) {
      const Image part = decode_part(bytes, "waves.jpg", side, [&](ImageSize) { return box; });
      const Image exact = resize_bicubic(whole, side, side, box.left, box.top, box.width, box.height);
      double sum = 0;
      for (std::size_t i = 0; i < part.rgb.size(); ++i) sum += std::abs(part.rgb[i] - exact.rgb[i]);
      EXPECT_LT(sum / static_cast<double>(part.rgb.size()), 1.0) << side << " from " << box.left;
      EXPECT_LE(largest_difference(part, exact), 8) << side << " from " << box.left;
    }
}

TEST(DecodePart, DamageBeforeThePartIsRefused) {
  const std::string whole = read_file(kPillow / "chroma-420.jpg");
  const std::string cut = whole.substr(0, whole.size() / 2);
  EXPECT_THAT(refusal([&] { decode_part(bytes_of(cut), "cut.jpg", 8, [](ImageSize s) { return Box{0, s.height - 9.0, 9, 9}; }); }),
              HasSubstr("cut.jpg: this JPEG is damaged or cut off"));
}

TEST(Decode, ReadsBackTheJpegItWroteToAFewGreyLevels) {
  const Image drawn = waves(61, 47);
  EXPECT_LE(largest_difference(decode_image(encode_jpeg(drawn, 95), "made.jpg"), drawn), 6);
}

TEST(Decode, ReadsBackThePngItWrote) {
  const Image image = gradient(13, 7);
  EXPECT_EQ(decode_image(encode_png(image), "made.png"), image);
}

TEST(Decode, RefusesEveryCutOfAPng) {
  const std::string whole = read_file(kPillow / "source.png");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const std::string cut = whole.substr(0, length);
    EXPECT_NE(refusal([&] { decode_image(bytes_of(cut), "cut.png"); }), "") << length;
  }
}

TEST(Decode, RefusesEveryCutOfAJpeg) {
  for (const char* name : {"chroma-420.jpg", "progressive.jpg", "grey.jpg", "orientation-6.jpg"}) {
    const std::string whole = read_file(kPillow / name);
    for (std::size_t length = 0; length + 1 < whole.size(); ++length) {
      const std::string cut = whole.substr(0, length);
      EXPECT_NE(refusal([&] { decode_image(bytes_of(cut), "cut.jpg"); }), "") << name << " " << length;
    }
  }
}

TEST(Decode, SurvivesEveryFlippedByte) {
  for (const char* name :
       {"source.png", "alpha-png.png", "orientation-6-png.png", "orientation-6.jpg", "progressive.jpg", "cmyk.jpg"}) {
    const std::string whole = read_file(kPillow / name);
    for (std::size_t place = 0; place < whole.size(); ++place) {
      std::string flipped = whole;
      flipped[place] = static_cast<char>(flipped[place] ^ (1 << place % 8));
      refusal([&] {
        const Image image = decode_image(bytes_of(flipped), "flipped", 1'000'000);
        EXPECT_EQ(image.rgb.size(), static_cast<std::size_t>(image.width) * image.height * 3);
      });
    }
  }
}

TEST(Decode, RefusesAHugePngByItsHeaderAlone) {
  std::string header = read_file(kPillow / "source.png");
  for (const std::size_t place : {16, 20}) header.replace(place, 4, std::string("\0\0\x4e\x20", 4));  // 20,000
  EXPECT_EQ(
      refusal([&] { decode_image(bytes_of(header), "huge.png"); }),
      "huge.png: 20000 x 20000 pixels are more than the 200 million that are read. Shrink the image or remove it.");
}

TEST(Decode, RefusesAHugeJpegByItsHeaderAlone) {
  std::string header = read_file(kPillow / "grey.jpg");
  const std::size_t frame = header.find("\xff\xc0");
  header.replace(frame + 5, 4, "\xff\x00\xff\x00", 4);
  EXPECT_THAT(refusal([&] { decode_image(bytes_of(header), "huge.jpg"); }), HasSubstr("65280 x 65280 pixels"));
}

TEST_F(Files, TellsWhatAFileIsThatIsNoImage) {
  write("a.jpg", "hello world, this is text");
  write("b.png", "");
  write("c.jpg", std::string("RIFF\x10\0\0\0WEBPVP8 ", 16));
  EXPECT_THAT(refusal([&] { decode_image(folder_ / "a.jpg"); }), HasSubstr("a.jpg: this is text, not a JPEG or PNG."));
  EXPECT_THAT(refusal([&] { decode_image(folder_ / "b.png"); }), HasSubstr("b.png: this file is empty."));
  EXPECT_THAT(refusal([&] { decode_image(folder_ / "c.jpg"); }), HasSubstr("this is a WebP image"));
  EXPECT_THAT(refusal([&] { decode_image(folder_ / "none.jpg"); }), HasSubstr("none.jpg: cannot be read: No such file"));
}

TEST_F(Files, ReadsAPngThatIsNamedJpg) {
  copy("source.png", "a.jpg");
  EXPECT_EQ(decode_image(folder_ / "a.jpg"), decode_image(kPillow / "source.png"));
}

TEST_F(Files, RefusesAMaskWithoutFigure) {
  write_png(folder_ / "mask.png", Image{2, 1, {1, 1, 1, 0, 0, 0}});
  EXPECT_THAT(refusal([&] { decode_mask(folder_ / "mask.png"); }), HasSubstr("marks no figure"));
  write_png(folder_ / "mask.png", Image{2, 1, {129, 129, 129, 128, 128, 128}});
  EXPECT_THAT(decode_mask(folder_ / "mask.png").figure, ElementsAre(255, 0));
}

TEST_F(FolderSource, SortsByNameAndPassesOverOtherFiles) {
  copy("source.png", "b.png");
  copy("grey.jpg", "a.JPG");
  copy("grey.jpg", "class/c.jpeg");
  write("notes.txt", "x");
  write(".hidden.jpg", "x");
  write(".cache/d.jpg", "x");
  const auto images = open();
  ASSERT_EQ(images->count(), 3);
  EXPECT_EQ(images->name(0), "a.JPG");
  EXPECT_EQ(images->name(1), "b.png");
  EXPECT_EQ(images->name(2), "class/c.jpeg");
  EXPECT_EQ(images->image(1), decode_image(kPillow / "source.png"));
  EXPECT_EQ(images->hash(0), images->hash(2));
  EXPECT_NE(images->hash(0), images->hash(1));
  EXPECT_FALSE(images->has_masks());
}

TEST_F(FolderSource, RefusesAllUnreadableImagesTogether) {
  copy("source.png", "a.png");
  write("b.jpg", "text");
  write("c.jpg", read_file(kPillow / "grey.jpg").substr(0, 400));
  EXPECT_THAT(refused(), AllOf(HasSubstr("b.jpg: this is text"), HasSubstr("c.jpg: this JPEG is damaged or cut off"),
                               HasSubstr("Set images.unreadable = \"skip\"")));
}

TEST_F(FolderSource, SkipsUnreadableImagesWithAWarningEach) {
  copy("source.png", "a.png");
  write("b.jpg", "text");
  write("c.png", read_file(kPillow / "source.png").substr(0, 900));
  copy("grey.jpg", "d.jpg");
  const auto images = open({{"images.unreadable", std::string("skip")}});
  ASSERT_EQ(images->count(), 2);
  EXPECT_EQ(images->name(1), "d.jpg");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("b.jpg"), HasSubstr("c.png")));
}

TEST_F(FolderSource, SeesThatAFileWasReplaced) {
  write("a.png", "text");
  EXPECT_NE(refused(), "");
  copy("source.png", "a.png");
  EXPECT_EQ(refused(), "");
}

TEST_F(FolderSource, TellsWhatIsWrongWithAFolder) {
  EXPECT_THAT(refused(), HasSubstr("there is no image in this folder"));
  EXPECT_THAT(refused({{"images.path", (folder_ / "none").string()}}), HasSubstr("none: there is no such folder."));
  EXPECT_THAT(refused({{"images.path", std::string()}}), HasSubstr("images.path is not given"));
  copy("source.png", "a.png");
  EXPECT_THAT(refused({{"images.path", (folder_ / "a.png").string()}}), HasSubstr("this is a file"));
  EXPECT_THAT(refused({{"images.total", std::int64_t{2}}}), HasSubstr("1 images, but images.total asks for 2"));
}

// What launch asks hosts about before it starts ranks there.
TEST_F(FolderSource, AGlanceRefusesWhatOpeningRefusesInItsWords) {
  const auto both_say = [&](const std::string& source, const fs::path& path, std::int64_t total, const std::string& words) {
    const std::map<std::string, Value> given = {{"images.source", source}, {"images.path", path.string()}, {"images.total", total}};
    Settings settings = default_settings(image_keys());
    for (const auto& [key, value] : given) settings.set(key, value);
    const std::string glanced = refusal([&] { glance_at(*image_place(settings)); });
    EXPECT_THAT(glanced, HasSubstr(words));
    EXPECT_EQ(glanced, refused(given));
  };
  fs::create_directories(folder_ / "empty");
  for (const std::string source : {"folder", "shards"}) {
    both_say(source, "", 0, "images.path is not given");
    both_say(source, folder_ / "none", 0, source == "folder" ? "there is no such folder" : "there are no shards");
    both_say(source, folder_ / "empty", 0, source == "folder" ? "there is no image in this folder" : "there is no shard in this folder");
  }
  copy("source.png", "a.png");
  both_say("folder", folder_.path(), 2, "1 images, but images.total asks for 2");
  both_say("folder", folder_.path(), 0, "");
  write("b.jpg", "text");
  both_say("folder", folder_.path(), 0, "b.jpg: this is text");
  EXPECT_FALSE(image_place(default_settings(image_keys()))) << "dead leaves are made";
}

TEST_F(FolderSource, MatchesMasksByStem) {
  copy("source.png", "images/a.png");
  copy("source.png", "images/b.png");
  Image figure = gradient(37, 29);
  fs::create_directories(folder_ / "masks");
  write_png(folder_ / "masks/b.png", figure);
  const std::map<std::string, Value> given = {{"images.path", (folder_ / "images").string()},
                                              {"images.masks", (folder_ / "masks").string()}};
  const auto images = open(given);
  EXPECT_TRUE(images->has_masks());
  EXPECT_FALSE(images->mask(0).has_value());
  EXPECT_EQ(images->mask(1)->width, 37);
  EXPECT_NE(images->hash(0), images->hash(1));  // the mask is part of what a run sees

  write_png(folder_ / "masks/b.png", gradient(37, 28));
  EXPECT_THAT(refused(given), HasSubstr("b.png: this mask is 37 x 28, but its image b.png is 37 x 29."));
  fs::rename(folder_ / "masks/b.png", folder_ / "masks/c.png");
  EXPECT_THAT(refused(given), HasSubstr("no mask here bears the name of an image"));
}

}  // namespace
}  // namespace palimpsest
