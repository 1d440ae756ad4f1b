#include "launch/wire.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <tuple>

#include "runtime/error.h"
#include "runtime/random_stream.h"

namespace palimpsest {
namespace {

template <class Message>
Message through_the_wire(const Message& message) {
  if constexpr (std::is_constructible_v<FromWorker, Message>)
    return std::get<Message>(from_worker(encode(FromWorker(message))));
  else
    return std::get<Message>(from_coordinator(encode(FromCoordinator(message))));
}

RunSpec some_run() {
  RunSpec run{"5e0c", {}, 3, 12, 13};
  run.settings.set("training.learning_rate", 1e-4);
  run.settings.set("training.epochs", std::int64_t{100});
  run.settings.set("images.path", std::string("caf\u00e9/\"a\"\n"));
  run.settings.set("fast.bias", true);
  run.settings.set("at", std::vector<std::int64_t>{0, 20});
  run.settings.set("noise", std::vector<double>{0.0, 0.3, std::numeric_limits<double>::infinity()});
  run.settings.set("targets", std::vector<std::string>{});
  return run;
}

TEST(Wire, CarriesAPackWithEverySettingInItsType) {
  RunSpec alike = some_run(), other{"00ff", {}, 5, 6, 7};
  alike.id = "ab12", alike.seed = 4;   // its settings are those of the run before
  other.settings.set("training.epochs", std::int64_t{7});
  const PackOrder sent{PackId{7}, {some_run(), alike, other}};
  const PackOrder got = through_the_wire(sent);
  EXPECT_EQ(got.pack, sent.pack);
  ASSERT_EQ(got.runs.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    const RunSpec &there = got.runs[i], &here = sent.runs[i];
    EXPECT_EQ(std::tie(there.id, there.seed, there.image_set, there.image_sets), std::tie(here.id, here.seed, here.image_set, here.image_sets)) << i;
    EXPECT_EQ(there.settings, here.settings) << i;
  }
}

TEST(Wire, CarriesAResultBitForBit) {
  RunReports reports{PackId{1}, {{}, {}, {}}};
  for (std::size_t i = 0; i < 3; ++i) reports.results[i].id = i == 1 ? "5e0c" : "00ff";
  RunResult& sent = reports.results[1];   // neither the first nor the last
  sent.failure = "not UTF-8: \xff";
  sent.seconds = 0.1;
  sent.measurements = {{"loss", {{"epoch", {"0", "1"}}}, {-0.0f, 0.1f}},
                              {"scope", {}, {std::numeric_limits<float>::denorm_min()}}};
  sent.attachments = {{"picture", "image/png", {std::byte{0}, std::byte{255}}}};
  const RunReports all = through_the_wire(reports);
  ASSERT_EQ(all.results.size(), 3u);
  for (const std::size_t bare : {0, 2}) {
    EXPECT_EQ(all.results[bare].id, "00ff");
    EXPECT_EQ(all.results[bare].failure, "");
    EXPECT_TRUE(all.results[bare].attachments.empty() && all.results[bare].measurements.empty());
  }
  const RunResult& got = all.results[1];
  EXPECT_EQ(got.id, "5e0c");
  EXPECT_EQ(got.failure, sent.failure);
  EXPECT_EQ(got.seconds, 0.1);
  ASSERT_EQ(got.measurements.size(), 2u);
  EXPECT_EQ(got.measurements[0].axes, sent.measurements[0].axes);
  EXPECT_EQ(got.measurements[0].values, sent.measurements[0].values);
  EXPECT_TRUE(std::signbit(got.measurements[0].values[0]));
  EXPECT_EQ(got.measurements[1].values, sent.measurements[1].values);
  ASSERT_EQ(got.attachments.size(), 1u);
  EXPECT_EQ(got.attachments[0].name, "picture");
  EXPECT_EQ(got.attachments[0].media_type, "image/png");
  EXPECT_EQ(got.attachments[0].bytes, sent.attachments[0].bytes);
}

TEST(Wire, CarriesWhatTheNextRunMeasuredOnTheSameAxes) {
  const std::vector<Axis> epochs = {{"epoch", {"0", "1"}}}, fewer = {{"epoch", {"0"}}};
  RunReports reports{PackId{1}, {{}, {}, {}}};
  reports.results[0].measurements = {{"loss", epochs, {1, 2}}};
  reports.results[1].measurements = {{"loss", epochs, {3, 4}}, {"score", {}, {5}}};
  reports.results[2].measurements = {{"loss", fewer, {6}}, {"score", {}, {7}}};
  const RunReports got = through_the_wire(reports);
  ASSERT_EQ(got.results.size(), 3u);
  for (std::size_t run = 0; run < 3; ++run)
    for (std::size_t i = 0; i < reports.results[run].measurements.size(); ++i) {
      const Measurement &sent = reports.results[run].measurements[i], &there = got.results[run].measurements.at(i);
      EXPECT_EQ(std::tie(there.metric, there.axes, there.values), std::tie(sent.metric, sent.axes, sent.values));
    }
}

TEST(Wire, CarriesNumbersThatAreNone) {
  RunReports reports{PackId{1}, {{}}};
  reports.results[0].measurements = {{"loss", {}, {std::nanf(""), -std::numeric_limits<float>::infinity()}}};
  const RunResult got = through_the_wire(reports).results.at(0);
  EXPECT_TRUE(std::isnan(got.measurements[0].values[0]));
  EXPECT_EQ(got.measurements[0].values[1], -std::numeric_limits<float>::infinity());
}

TEST(Wire, CarriesTheSmallMessages) {
  const ProcessIdentity process{"node1", 4711, 123456789012ull};
  const Hello hello = through_the_wire(Hello{process, "cuda:1, NVIDIA H200", "cpu", 3, "0.1.0", {{"kernel", "Linux 6.1"}, {"driver", "570 \"x\""}}});
  EXPECT_EQ(hello.process, process);
  EXPECT_EQ(hello.device, "cuda:1, NVIDIA H200");
  EXPECT_EQ(hello.processor, "cpu");
  EXPECT_EQ(hello.rank, 3);
  EXPECT_EQ(hello.program, "0.1.0");
  EXPECT_EQ(hello.facts, (std::map<std::string, std::string>{{"kernel", "Linux 6.1"}, {"driver", "570 \"x\""}}));
  const Welcome welcome = through_the_wire(Welcome{process, "planted", true});
  EXPECT_EQ(welcome.process, process);
  EXPECT_TRUE(welcome.keep_pictures);
  EXPECT_EQ(through_the_wire(Left{PackId{2}, Leaving::kOutOfMemory}).leaving, Leaving::kOutOfMemory);
  EXPECT_EQ(through_the_wire(Beat{PackId{2}, 0.25}).share, 0.25);
  EXPECT_EQ(through_the_wire(AskStop{"full disk"}).reason, "full disk");
  through_the_wire(Bye{});
  through_the_wire(GoHome{});
  through_the_wire(HaltPack{});
  through_the_wire(Answer{});
}

TEST(Wire, RefusesBytesThatAreNoMessage) {
  EXPECT_THROW(from_worker(""), InputError);  // no version, no body
  EXPECT_THROW(from_coordinator("palimpsest"), InputError);
  EXPECT_THROW(from_worker(encode(FromCoordinator(PackOrder{PackId{1}, {{"id", {}, 0, 0}}})).substr(0, 5)), InputError);
}

TEST(Wire, RefusesAMessageOfAnotherVersion) {
  std::string bytes = encode(FromWorker(Bye{}));
  ASSERT_EQ(bytes.substr(0, 2), std::string("\x08\x02"));  // field 1, the version
  bytes[1] = 1;
  try {
    from_worker(bytes);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("a message of version 1"), std::string::npos) << error.what();
  }
}

// Whatever arrives is a message or refused; seeds 0 to 4999.
TEST(Wire, NeverStumblesOverChangedOrCutBytes) {
  RunReports report{PackId{1}, {{}}};
  report.results[0].measurements = {{"loss", {{"epoch", {"0", "1"}}}, {1, 2}}};
  const std::vector<std::string> whole = {encode(FromWorker(report)), encode(FromCoordinator(PackOrder{PackId{7}, {some_run()}}))};
  EXPECT_EQ(std::get<RunReports>(from_worker(whole[0])).results[0].measurements[0].values, report.results[0].measurements[0].values);
  EXPECT_EQ(std::get<PackOrder>(from_coordinator(whole[1])).runs.at(0).settings, some_run().settings);
  int read = 0, refused = 0;
  for (std::uint64_t seed = 0; seed < 5000; ++seed) {
    const RandomStream random(seed);
    std::string bytes = whole[seed % 2];
    for (std::uint64_t i = 0; i < 4; ++i) bytes[random.below(2 * i, bytes.size())] = static_cast<char>(random.bits(40 + i));
    bytes.resize(random.below(20, bytes.size() + 1));
    try {
      seed % 2 ? (void)from_coordinator(bytes) : (void)from_worker(bytes);
      ++read;
    } catch (const InputError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace palimpsest
