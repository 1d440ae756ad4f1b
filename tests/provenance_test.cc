// What the program tells of one run, on the real program: show, explain, logs, reproduce, cancel.

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"
#include "sweeps/ledger.h"
#include "sweeps/seal.h"
#include "tests/sweep_process.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Said {
  int exit_code;
  std::string text;
};

struct ASweep : testing::Test {
  TemporaryFolder folder;
  std::filesystem::path results = folder / "out";

  std::string definition(const std::string& keys = "", int image_sets = 3, const std::string& packs = "") {
    const auto file = folder / "sweep.toml";
    std::ofstream(file) << "study = \"planted\"\nname = \"told\"\n[planted]\n" << keys << packs << "[sweep]\nimage_sets = " << image_sets
                        << "\nseeds = 2\n[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n";
    return file;
  }
  Said say(const std::vector<std::string>& words) {
    const auto file = folder / "said";
    std::filesystem::remove(file);
    const int code = Process(palimpsest_command(0, words), file).wait();
    return {code, read_file(file)};
  }
  void sweep(const std::string& keys = "", int exit_code = 0) {
    const Said said = say({"sweep", definition(keys), "--out", results});
    ASSERT_EQ(said.exit_code, exit_code) << said.text;
  }
  RunId first_run() { return Ledger::open_for_reading(results).runs().front().spec.id; }

  void change(const std::string& statement) {
    SQLite::Database db(results / "ledger.sqlite", SQLite::OPEN_READWRITE);
    know_seals(db);
    db.exec(statement);
    for (const SealedTable& table : sealed_tables()) db.exec("UPDATE " + table.name + " SET seal = " + table.seal);
  }
};

TEST_F(ASweep, ShowsWhatARunResolvesToAndWhereItCameFrom) {
  sweep("effect = 0.5\n");
  const auto all = nlohmann::json::parse(say({"show", results, first_run().substr(0, 12), "--json"}).text);
  EXPECT_EQ(all["run"], first_run());
  EXPECT_EQ(all["state"], "done");
  EXPECT_EQ(all["study"], "planted");
  EXPECT_EQ(all["method"], 1);
  EXPECT_EQ(all["keys"]["planted.effect"], 0.5);
  EXPECT_EQ(all["keys"]["planted.size"], 4);
  EXPECT_EQ(all["inputs"].size(), 1u);
  EXPECT_THAT(all["device"].get<std::string>(), HasSubstr("cpu, "));
  ASSERT_EQ(all["attempts"].size(), 1u);
  EXPECT_EQ(all["attempts"][0]["outcome"], "done");
  EXPECT_EQ(all["attempts"][0]["rank"], 0);
  for (const char* fact : {"program", "commit", "build", "compiler", "libtorch", "mpi", "sqlite", "libc", "host", "processor", "driver", "system", "kernel", "command"})
    EXPECT_FALSE(all["made_by"][fact].get<std::string>().empty()) << fact;
  ASSERT_EQ(all["measured"].size(), 2u);
  EXPECT_EQ(all["measured"][1]["metric"], "planted.score");
  EXPECT_EQ(all["measured"][1]["numbers"], 24);
  const Said people = say({"show", results, "#" + std::to_string(all["number"].get<int>())});
  EXPECT_THAT(people.text, HasSubstr("run " + first_run()));
  EXPECT_THAT(people.text, HasSubstr("planted.effect"));
}

TEST_F(ASweep, RefusesARunThatMayBeSeveralOrNone) {
  sweep();
  const Said many = say({"show", results, ""});
  EXPECT_EQ(many.exit_code, 2);
  EXPECT_THAT(many.text, HasSubstr("may mean"));
  const Said none = say({"show", results, "nosuchrun"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.text, HasSubstr("no run here has the number or begins with \"nosuchrun\""));
}

TEST_F(ASweep, ReproducesEveryBit) {
  sweep();
  const Said said = say({"reproduce", results, first_run()});
  EXPECT_EQ(said.exit_code, 0) << said.text;
  EXPECT_THAT(said.text, HasSubstr("planted.score: 24 numbers, all with the same bits"));
  EXPECT_THAT(said.text, HasSubstr("environment: the same in all that is recorded"));
}

TEST_F(ASweep, SaysWhichNumbersAndWhichEnvironmentDiffer) {
  sweep();
  change("UPDATE measurements SET numbers = zeroblob(length(numbers)) WHERE metric = (SELECT id FROM metrics WHERE name = 'planted.score')");
  change("UPDATE sessions SET provenance = replace(provenance, '\"libtorch\":\"', '\"libtorch\":\"0.')");
  const Said said = say({"reproduce", results, first_run()});
  EXPECT_EQ(said.exit_code, 1) << said.text;
  EXPECT_THAT(said.text, HasSubstr("planted.score: 24 of 24 numbers differ, by "));
  EXPECT_THAT(said.text, HasSubstr("loss: 10 numbers, all with the same bits"));
  EXPECT_THAT(said.text, HasSubstr("environment: 1 things differ\n  libtorch: 0."));
}

TEST_F(ASweep, RefusesToReproduceARunOfAnotherMethod) {
  sweep();
  change("UPDATE runs SET method = 7");
  const Said said = say({"reproduce", results, first_run()});
  EXPECT_EQ(said.exit_code, 2);
  EXPECT_THAT(said.text, HasSubstr("was made by version 7 of the method"));
}

TEST_F(ASweep, RefusesToReproduceOnTheCpuWhatAGpuComputed) {
  sweep();
  setenv("CUDA_VISIBLE_DEVICES", "", 1);   // none, on any machine
  change("UPDATE runs SET device = 'cuda:2, NVIDIA Imaginary 9000, Xeon, AVX2'");
  const Said said = say({"reproduce", results, first_run()});
  EXPECT_EQ(said.exit_code, 2) << said.text;
  EXPECT_THAT(said.text, HasSubstr("was computed on cuda:2, NVIDIA Imaginary 9000, Xeon, AVX2, and there is no GPU here: "));
}

TEST_F(ASweep, OfAStudyThatKnowsTheCpuAloneIsRefusedAGpu) {
  const Said said = say({"sweep", definition(), "--out", results, "--device", "cuda"});
  EXPECT_EQ(said.exit_code, 2) << said.text;
  EXPECT_THAT(said.text, HasSubstr("--device cuda: the study planted computes on the CPU alone. Leave --device out."));
  EXPECT_FALSE(std::filesystem::exists(results));
}

TEST_F(ASweep, ReproducesAFailure) {
  sweep("fail_share = 1\n", 1);
  const Said said = say({"reproduce", results, first_run()});
  EXPECT_EQ(said.exit_code, 0) << said.text;
  EXPECT_THAT(said.text, HasSubstr("it fails as it did: planted to fail"));
  EXPECT_THAT(say({"explain", results, first_run()}).text, HasSubstr("it has run and failed"));
  EXPECT_THAT(say({"logs", results, first_run()}).text, HasSubstr("planted to fail"));
}

// One process, packs of one: the first run is at work, the others wait.
TEST_F(ASweep, IsExplainedWhileItRunsAndCancelledInOrder) {
  const std::string file = definition("seconds = 0.02\n", 10, "[packs]\nsize = 1\n");
  Process sweeping(palimpsest_command(0, {"sweep", file, "--out", results}), folder / "log");
  ASSERT_TRUE(wait_until([&] {
    try {
      return Ledger::held(results) && runs_done(results) > 0;
    } catch (const InputError&) {
      return false;
    }
  }));
  const RunId last = [&] {
    RunId waiting;
    for (const LedgerRun& run : Ledger::open_for_reading(results).runs())
      if (run.state == RunState::kWaiting && run.attempts == 0) waiting = run.spec.id;
    return waiting;
  }();
  EXPECT_THAT(say({"explain", results, last}).text, testing::AnyOf(HasSubstr("it is in line: "), HasSubstr("it is being run: "), HasSubstr("it has run")));
  const Said cancelled = say({"cancel", results});
  EXPECT_EQ(cancelled.exit_code, 0) << cancelled.text;
  EXPECT_THAT(cancelled.text, HasSubstr("ended in order"));
  EXPECT_EQ(sweeping.wait(), 3) << sweeping.output();
  EXPECT_THAT(sweeping.output(), HasSubstr("cancelled; "));
  EXPECT_THAT(say({"explain", results, last}).text, HasSubstr("nobody is at work on this sweep"));
  EXPECT_THAT(say({"cancel", results}).text, HasSubstr("nobody is at work"));
  EXPECT_EQ(say({"sweep", file, "--out", results}).exit_code, 0);
  EXPECT_EQ(runs_done(results), 40);
}

}  // namespace
}  // namespace palimpsest
