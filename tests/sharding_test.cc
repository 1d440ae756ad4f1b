#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "models/inspect_weights.h"
#include "models/training_state.h"
#include "runtime/agree.h"
#include "runtime/checkpoint_writer.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/tensor_file.h"
#include "runtime/through_host.h"
#include "tests/small_pretraining.h"

// Run by 7 ranks (tests/CMakeLists.txt).

namespace palimpsest {
namespace {

using testing::HasSubstr;

constexpr const char* kStrategies[] = {"none", "optimizer", "gradients", "full"};

class Sharding : public testing::Test {
 protected:
  void TearDown() override { everyone_->barrier(); }

  /// Trains over the first `ranks` ranks; the others wait.
  void train(int ranks, const Settings& settings, const std::string& name, std::function<bool()> should_stop = {}, bool staged = false) {
    everyone_->barrier();
    const bool member = everyone_->rank() < ranks;
    auto world = over_mpi(member ? 0 : 1);
    if (staged) world = through_host(std::move(world), Staged::kAll);
    if (member)
      pretrain(settings, *world, {.out = folder_ / name, .should_stop = std::move(should_stop), .threads = 1});
    everyone_->barrier();
  }
  bool leads() const { return everyone_->rank() == 0; }
  std::string losses(const std::string& name) const { return read_file(folder_ / name / "losses.csv"); }
  std::string weights(const std::string& name) const {  // their bits, without the facts of the run
    std::string all;
    for (const auto& [key, tensor] : read_tensors(folder_ / name / "weights.safetensors"))
      all += key + std::string(static_cast<const char*>(tensor.data_ptr()), tensor.nbytes());
    return content_hash(all);
  }

  std::unique_ptr<Communicator> everyone_ = over_mpi();
  TemporaryFolder folder_{"sharding", *everyone_};
};

Settings deep_pretraining(const char* strategy) {
  auto settings = small_pretraining();
  for (const auto& [key, value] : {std::pair{"model.depth", 3},
                                   {"model.decoder_depth", 2},
                                   {"training.batch", 14},
                                   {"training.steps", 50},
                                   {"validation.every", 25}})
    settings.set(key, std::int64_t{value});
  settings.set("training.dropout", 0.1);
  settings.set("training.clip", 0.0);
  settings.set("sharding.strategy", std::string(strategy));
  return settings;
}

Settings deep_pretraining(const char* strategy, std::int64_t parts, double clip) {
  auto settings = deep_pretraining(strategy);
  settings.set("training.accumulate", parts);
  settings.set("training.clip", clip);
  return settings;
}

std::vector<double> numbers(const std::string& csv) {
  std::vector<double> values;
  std::istringstream fields(csv.substr(csv.find('\n')));
  for (std::string field; std::getline(fields, field, ',');) {
    std::istringstream parts(field);
    for (double value; parts >> value;) values.push_back(value);
  }
  return values;
}

void expect_equal_curves(const std::string& csv, const std::string& reference, const std::string& what) {
  const auto ours = numbers(csv), alone = numbers(reference);
  ASSERT_EQ(ours.size(), alone.size()) << what;
  ASSERT_GE(alone.size(), 150u) << what;
  for (std::size_t i = 0; i < alone.size(); ++i) EXPECT_NEAR(ours[i] / alone[i], 1, 1e-6) << what << ", number " << i;
}

TEST_F(Sharding, EveryStrategyGivesTheLossCurveOfOneProcessAndTheBitsOfDataParallelTraining) {
  train(1, deep_pretraining("none"), "alone");
  for (const int ranks : {2, 4, 7})
    for (const char* strategy : kStrategies) {
      const auto name = strategy + std::to_string(ranks);
      train(ranks, deep_pretraining(strategy), name);
      if (!leads()) continue;
      expect_equal_curves(losses(name), losses("alone"), name);
      EXPECT_EQ(losses(name), losses("none" + std::to_string(ranks))) << name;
      EXPECT_EQ(weights(name), weights("none" + std::to_string(ranks))) << name;
    }
}

TEST_F(Sharding, CopiesOfTensorsAsOfADeviceGiveTheSameBits) {
  for (const char* strategy : {"none", "full"}) {
    const std::string name = strategy;
    train(3, deep_pretraining(strategy), name);
    train(3, deep_pretraining(strategy), name + " staged", {}, /*staged=*/true);
    if (leads()) EXPECT_EQ(weights(name + " staged"), weights(name)) << name;
  }
}

TEST_F(Sharding, OneProcessGivesTheSameBitsUnderEveryStrategyAndWithRecomputation) {
  for (const char* strategy : kStrategies) train(1, deep_pretraining(strategy), strategy);
  auto recomputed = deep_pretraining("none");
  recomputed.set("training.recompute", true);
  train(1, recomputed, "recomputed");
  if (!leads()) return;
  for (const char* name : {"optimizer", "gradients", "full", "recomputed"})
    EXPECT_EQ(weights(name), weights("none")) << name;
}

// Whole and unclipped is the claim above.
TEST_F(Sharding, GradientsOfPartsOfABatchAddUpToThoseOfTheWholeWithAndWithoutClipping) {
  for (const double clip : {0.0, 0.05}) {
    const std::string alone = fmt::format("alone, clip {}", clip);
    train(1, deep_pretraining("none", 1, clip), alone);
    train(1, deep_pretraining("none", 3, clip), alone + " in parts");
    if (leads()) expect_equal_curves(losses(alone + " in parts"), losses(alone), alone);
    for (const int ranks : {2, 4, 7})
      for (const char* strategy : kStrategies) {
        if (clip == 0 && strategy != kStrategies[ranks == 4 ? 2 : 3]) continue;   // all of them are tried with clipping
        const std::int64_t parts = clip > 0 && ranks == 4 ? 1 : 2;
        const auto name = fmt::format("{} on {} ranks in {} parts, clip {}", strategy, ranks, parts, clip);
        train(ranks, deep_pretraining(strategy, parts, clip), name);
        if (leads()) expect_equal_curves(losses(name), losses(alone), name);
      }
  }
  if (leads()) EXPECT_NE(losses("alone, clip 0"), losses("alone, clip 0.05")) << "nothing was clipped";
}

TEST_F(Sharding, EveryObjectiveGivesTheLossCurveOfOneProcess) {
  for (const char* objective : {"autoencoder", "contrastive"}) {
    const auto settings = [&](const char* strategy) {
      auto all = deep_pretraining(strategy);
      all.set("objective.name", std::string(objective));
      return all;
    };
    const std::string alone = objective + std::string(" alone");
    train(1, settings("none"), alone);
    for (const int ranks : {2, 4, 7}) {
      const char* strategy = ranks == 4 ? "gradients" : "full";
      const auto name = fmt::format("{}, {} on {} ranks", objective, strategy, ranks);
      train(ranks, settings(strategy), name);
      if (leads()) expect_equal_curves(losses(name), losses(alone), name);
    }
  }
}

TEST_F(Sharding, WithinANodeAndReplicatedAcrossNodesGivesTheSameCurve) {
  train(1, deep_pretraining("none"), "alone");
  everyone_->barrier();
  setenv("PALIMPSEST_NODE", everyone_->rank() % 2 ? "1" : "0", 1);  // ranks 0 and 2, 1 and 3
  for (const char* strategy : {"optimizer", "gradients", "full"}) {
    auto settings = deep_pretraining(strategy);
    settings.set("sharding.group", std::string("node"));
    train(4, settings, strategy);
    if (leads()) expect_equal_curves(losses(strategy), losses("alone"), strategy);
  }
  auto settings = deep_pretraining("full");
  settings.set("sharding.group", std::string("node"));
  try {
    train(3, settings, "uneven");
    EXPECT_GE(everyone_->rank(), 3);
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("as many ranks on every node"));
    everyone_->barrier();
  }
  unsetenv("PALIMPSEST_NODE");
}

TEST_F(Sharding, ACheckpointGoesOnUnderAnotherStrategyAndAnotherNumberOfRanks) {
  train(4, deep_pretraining("none"), "undisturbed");
  const auto stopped = [&](int step) {
    return [this, step, polls = 0]() mutable { return ++polls == step && leads(); };
  };
  const auto stop = [&](int ranks, const char* strategy, int step) {
    bool interrupted = false;
    try {
      train(ranks, deep_pretraining(strategy), "moved", stopped(step));
    } catch (const Interrupted&) {
      interrupted = true;
      everyone_->barrier();
    }
    EXPECT_EQ(interrupted, everyone_->rank() < ranks);
  };
  stop(4, "full", 11);
  stop(4, "none", 11);
  stop(4, "gradients", 11);
  train(4, deep_pretraining("optimizer"), "moved");
  if (leads()) EXPECT_EQ(weights("moved"), weights("undisturbed")) << "the same number of ranks gives the same bits";
  train(2, deep_pretraining("full"), "other ranks", stopped(1000));
  if (leads()) std::filesystem::remove_all(folder_ / "moved");
  stop(7, "full", 20);
  stop(2, "gradients", 15);
  train(1, deep_pretraining("none"), "moved");
  if (leads()) expect_equal_curves(losses("moved"), losses("undisturbed"), "7, then 2, then 1 rank");
}

TEST_F(Sharding, ACheckpointIsAFileFromEachRankThatTogetherHoldEveryWeightOnce) {
  auto settings = deep_pretraining("gradients");
  settings.set("training.steps", std::int64_t{3});
  train(3, settings, "run");
  if (!leads()) return;
  const auto folder = folder_ / "run" / "checkpoints" / "step-000000003";
  std::int64_t held = 0, whole = 0;
  for (int rank = 0; rank < 3; ++rank)
    for (const auto& [name, tensor] :
         read_tensors(folder / ("state-0000" + std::to_string(rank) + "-of-00003.safetensors")))
      if (name.starts_with("value.")) held += tensor.numel();
  const auto weights = checkpointed_weights(folder);
  const auto final_weights = read_tensors(folder_ / "run" / "weights.safetensors");
  for (const auto& [name, tensor] : weights) whole += tensor.numel();
  EXPECT_EQ(held, whole);
  EXPECT_EQ(weights.size(), final_weights.size());
  EXPECT_TRUE(at::equal(weights.at("decoder.mask_token"), final_weights.at("decoder.mask_token")));
}

TEST_F(Sharding, ACheckpointTellsWhoWroteItAndWhatItIsOf) {
  auto settings = deep_pretraining("full");
  settings.set("training.steps", std::int64_t{3});
  train(3, settings, "run");
  if (!leads()) return;
  const auto all = inspect_weights(folder_ / "run" / "checkpoints");
  ASSERT_EQ(all.checkpoints.size(), 1u);
  const CheckpointFacts& facts = all.checkpoints[0];
  EXPECT_EQ(facts.step, 3);
  EXPECT_EQ(facts.ranks, 3u);
  EXPECT_EQ(facts.sharding, "full");
  EXPECT_EQ(facts.flaw, "");
  std::int64_t whole = 0;
  for (const auto& [name, tensor] : read_tensors(folder_ / "run" / "weights.safetensors")) whole += tensor.numel();
  EXPECT_EQ(facts.parameters, whole);
  EXPECT_THAT(facts.definition, testing::IsSupersetOf({"model.depth = 3", "objective.name = \"masked-autoencoder\""}));
  EXPECT_EQ(all.files.size(), 3u);
}

TEST_F(Sharding, ADiskThatIsFullForAWhileCostsCheckpointsButNotTheRun) {
  auto settings = deep_pretraining("optimizer");
  settings.set("training.checkpoint_steps", std::int64_t{10});
  train(2, settings, "undisturbed");
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  // From step 15 to 35 no file of this rank may grow beyond 10 kB: the checkpoints of steps 20 and 30 fail in the midst
  // of writing.
  const auto meanwhile = [limit, polls = 0]() mutable {
    ++polls;
    if (polls == 15 || polls == 36) {
      const rlimit now{polls == 15 ? 10'000 : limit.rlim_cur, limit.rlim_max};
      setrlimit(RLIMIT_FSIZE, &now);
    }
    return false;
  };
  testing::internal::CaptureStderr();
  everyone_->rank() == 1 ? train(2, settings, "run", meanwhile) : train(2, settings, "run");
  const std::string said = testing::internal::GetCapturedStderr();
  for (const char* given_up : {"the checkpoint of step 20 is given up, and training goes on.", "the checkpoint of step 30 is given up, and training goes on."})
    if (everyone_->rank() == 1) EXPECT_THAT(said, HasSubstr(given_up));
  if (!leads()) return;
  EXPECT_EQ(weights("run"), weights("undisturbed"));
  const auto there = [&](int step) {
    return std::filesystem::exists(folder_ / "run" / "checkpoints" / ("step-0000000" + std::to_string(step)));
  };
  EXPECT_FALSE(there(30));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run" / "checkpoints" / "step-000000030.unfinished"));
  EXPECT_TRUE(there(40));
  EXPECT_TRUE(there(50));
}

TEST_F(Sharding, ARunThatEndsWhileTheDiskIsFullGoesOnFromTheLastWholeCheckpoint) {
  auto settings = deep_pretraining("optimizer");
  settings.set("training.checkpoint_steps", std::int64_t{10});
  train(2, settings, "undisturbed");
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  const auto fills = [limit, polls = 0]() mutable {
    const rlimit now{10'000, limit.rlim_max};
    if (++polls == 15) setrlimit(RLIMIT_FSIZE, &now);
    return polls == 25;
  };
  std::string said;
  try {
    everyone_->rank() == 1 ? train(2, settings, "run", fills) : train(2, settings, "run");
  } catch (const Interrupted& error) {
    said = error.what();
    everyone_->barrier();
  }
  setrlimit(RLIMIT_FSIZE, &limit);
  if (everyone_->rank() < 2) EXPECT_THAT(said, HasSubstr("stopped at step 24 of 50; no checkpoint of it could be written, and that of step 10 is kept"));
  train(2, settings, "run");
  if (leads()) EXPECT_EQ(weights("run"), weights("undisturbed"));
}

TEST_F(Sharding, RanksThatDisagreeAreNamedWithWhatTheyDisagreeOn) {
  auto settings = deep_pretraining("none");
  if (everyone_->rank() == 1) settings.set("training.learning_rate", 0.5);
  try {
    train(3, settings, "disagree");
    EXPECT_GE(everyone_->rank(), 3);
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("rank 1: its definition is not that of rank 0: \"training.learning_rate = "
                                        "0.5\" here, \"training.learning_rate = 0.001\" there"));
    everyone_->barrier();
  }
}

TEST_F(Sharding, ALossThatIsNoNumberNamesTheFirstBlockAndHowToGoOn) {
  auto settings = deep_pretraining("full");
  settings.set("training.learning_rate", 1e30);
  settings.set("training.clip", 0.0);
  settings.set("training.checkpoint_steps", std::int64_t{1});
  try {
    train(2, settings, "diverged");
    EXPECT_GE(everyone_->rank(), 2);
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("The first that is not finite is "));
    EXPECT_THAT(error.what(), HasSubstr("block"));
    EXPECT_THAT(error.what(), HasSubstr("No checkpoint was written yet: start again with --set training.learning_rate=3.33e+29"));
    EXPECT_EQ(error.exit_code(), 1);
    everyone_->barrier();
  }
}

TEST_F(Sharding, HalfPrecisionLearnsAsSinglePrecisionDoesUnderEveryStrategy) {
  train(2, deep_pretraining("none"), "single");
  for (const char* strategy : kStrategies) {
    auto settings = deep_pretraining(strategy);
    settings.set("training.precision", std::string("bfloat16"));
    train(2, settings, strategy);
    if (!leads()) continue;
    EXPECT_EQ(weights(strategy), weights("none")) << strategy;
    const auto half = numbers(losses(strategy)), single = numbers(losses("single"));
    ASSERT_EQ(half.size(), single.size());
    for (std::size_t i = 0; i < single.size(); ++i)
      EXPECT_NEAR(half[i] / single[i], 1, 0.03) << strategy << ", number " << i;
  }
}

/// Spans of a track of one rank: [begin, end) in microseconds.
std::vector<std::pair<double, double>> spans(const nlohmann::json& events, const std::string& track,
                                             const std::string& prefix) {
  std::vector<std::pair<double, double>> found;
  for (const auto& event : events)
    if (event["ph"] == "X" && event["cat"] == track && event["name"].get<std::string>().starts_with(prefix))
      found.push_back({event["ts"].get<double>(), event["ts"].get<double>() + event["dur"].get<double>()});
  return found;
}

class Timelines : public Sharding {
 protected:
  /// What the first of two ranks computed and communicated; empty on the others.
  nlohmann::json timeline_of(const Settings& settings) {
    everyone_->barrier();
    const bool member = everyone_->rank() < 2;
    const auto world = over_mpi(member ? 0 : 1);
    Timeline timeline;
    if (member) pretrain(settings, *world, {.out = folder_ / "run", .should_stop = {}, .threads = 1, .timeline = &timeline});
    everyone_->barrier();
    return leads() ? nlohmann::json::parse("[" + timeline.events(0) + "]") : nlohmann::json();
  }
};

Settings ten_steps(const char* strategy) {
  auto settings = deep_pretraining(strategy);
  settings.set("training.steps", std::int64_t{10});
  return settings;
}

// Of the spans `whole`, how many have the beginning of one of `parts` in them.
std::size_t with_a_beginning(const std::vector<std::pair<double, double>>& whole, const std::vector<std::pair<double, double>>& parts) {
  return static_cast<std::size_t>(std::ranges::count_if(whole, [&](const auto& span) {
    return std::ranges::any_of(parts, [&](const auto& part) { return part.first > span.first && part.first < span.second; });
  }));
}

TEST_F(Timelines, ShowGradientsTravelWhileTheBackwardGoesOn) {
  const auto events = timeline_of(ten_steps("gradients"));
  if (!leads()) return;
  const auto backward = spans(events, "compute", "loss and backward");
  EXPECT_EQ(backward.size(), 10u);
  // The first that the backward is through with.
  EXPECT_EQ(with_a_beginning(backward, spans(events, "communication", "reduce_scatter decoder.1")), 10u)
      << "the last block's gradients leave before the first block's are computed";
}

TEST_F(Timelines, ShowTheNextBlockComingWhileThisOneComputes) {
  auto settings = ten_steps("full");
  settings.set("model.width", std::int64_t{128});   // blocks that take longer than a thread to wake up
  const auto events = timeline_of(settings);
  if (!leads()) return;
  const auto gathered = [&](int block) { return spans(events, "communication", "all_gather encoder." + std::to_string(block)); };
  // How often depends on how soon the thread that communicates gets a core; that it can, on when it is asked.
  std::size_t ahead = 0, back = 0;
  for (int block = 0; block < 3; ++block) {
    const auto forward = spans(events, "compute", "forward encoder." + std::to_string(block)), backward = spans(events, "compute", "backward encoder." + std::to_string(block));
    EXPECT_EQ(backward.size(), 10u);
    if (block < 2) ahead += with_a_beginning(forward, gathered(block + 1));
    if (block > 0) back += with_a_beginning(backward, gathered(block - 1));
  }
  EXPECT_GT(ahead, 0u);
  EXPECT_GT(back, 0u);
}

TEST_F(Timelines, ShowThatACheckpointCostsNoForward) {
  auto settings = ten_steps("full");
  const auto without = timeline_of(settings);
  if (leads()) std::filesystem::remove_all(folder_ / "run");
  settings.set("training.checkpoint_steps", std::int64_t{2});
  const auto with = timeline_of(settings);
  if (leads()) EXPECT_EQ(spans(with, "compute", "forward ").size(), spans(without, "compute", "forward ").size());
}

}  // namespace
}  // namespace palimpsest
