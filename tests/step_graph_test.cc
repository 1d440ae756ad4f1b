#include "runtime/step_graph.h"

#include <gmock/gmock.h>

#include <string>

#include "runtime/error.h"

namespace palimpsest {
namespace {

/// Says what it is told to do.
struct Told : StepRecorder {
  explicit Told(std::string& said, bool fails = false) : said(said), fails(fails) {}
  void aside(const std::function<void()>& step) override { said += "aside ", step(); }
  void record(const std::function<void()>& step) override {
    said += "record ";
    if (fails) throw std::runtime_error("CUDA error: operation not permitted when stream is capturing\nand a stack");
    kept = step;
  }
  void replay() override { said += "replay ", kept(); }
  void forget() override { said += "forget ", kept = {}; }

  std::string& said;
  const bool fails;
  std::function<void()> kept;
};

StepGraph told(std::string& said, bool fails = false) { return StepGraph(std::make_unique<Told>(said, fails)); }

TEST(StepGraph, RecordsTheThirdStepAndDoesItAgainFromThereOn) {
  std::string said;
  int value = 0;
  std::string seen;
  auto graph = told(said);
  for (const int now : {1, 2, 3, 4, 5}) {
    value = now;
    graph.run([&value, &seen] { seen += std::to_string(value); });
  }
  EXPECT_EQ(said, "aside aside record replay replay replay ");
  EXPECT_EQ(seen, "12345") << "each step is done once, the recorded one too";
}

TEST(StepGraph, RecordsAnewWhereTensorsAreOthers) {
  std::string said;
  auto graph = told(said);
  for (int step = 0; step < 4; ++step) graph.run([] {});
  graph.forget();
  for (int step = 0; step < 3; ++step) graph.run([] {});
  EXPECT_EQ(said, "aside aside record replay replay forget aside aside record replay ");
}

TEST(StepGraph, StepsThatCannotBeRecordedAreComputedAllTheSame) {
  std::string said;
  int steps = 0;
  auto graph = told(said, /*fails=*/true);
  for (int step = 0; step < 5; ++step) graph.run([&steps] { ++steps; });
  graph.forget();
  graph.run([&steps] { ++steps; });
  EXPECT_EQ(said, "aside aside record ") << "it is tried once";
  EXPECT_FALSE(graph.records());
  EXPECT_EQ(steps, 6);
}

TEST(StepGraph, AStopIsNoReasonNotToRecord) {
  std::string said;
  struct Stopped : Told {
    using Told::Told;
    void record(const std::function<void()>& step) override { step(); }
  };
  StepGraph graph(std::make_unique<Stopped>(said));
  for (int step = 0; step < 2; ++step) graph.run([] {});
  EXPECT_THROW(graph.run([] { throw Interrupted("stopped within a step"); }), Interrupted);
  EXPECT_TRUE(graph.records());
}

TEST(StepGraph, WithoutARecorderDoesEachStep) {
  StepGraph graph;
  int steps = 0;
  for (int step = 0; step < 4; ++step) graph.run([&steps] { ++steps; });
  graph.forget();
  EXPECT_EQ(steps, 4);
}

TEST(StepRecorder, IsForGpusAlone) {
  record_steps_on_gpus(true);
  EXPECT_EQ(step_recorder(c10::kCPU), nullptr);
  record_steps_on_gpus(false);
  EXPECT_EQ(step_recorder({c10::kCUDA, 0}), nullptr) << "where it is not wanted nothing is loaded";
}

}  // namespace
}  // namespace palimpsest
