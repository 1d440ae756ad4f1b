#include "sweeps/report.h"

#include <cmath>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "sweeps/caveats.h"
#include "sweeps/csv.h"
#include "sweeps/drawing.h"
#include "sweeps/figure_rows.h"
#include "sweeps/html.h"
#include "sweeps/vega.h"
#include "sweeps/verdict_table.h"
#include "tests/made_up_familiarity.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ReportTest : public testing::Test {
 protected:
  Report write(const ReportSource& source) { return write_report(source, folder_.path(), SvgFiles::kLeaveOut); }
  std::string page() const { return read_file(folder_ / "report.html"); }
  std::string table(const std::string& name) const { return read_file(folder_ / "tables" / (name + ".csv")); }

  TemporaryFolder folder_;
  MadeUpFamiliarity made_up_;
};

/// The page without its scripts and data: what a reader sees before any of it runs.
std::string visible(const std::string& page) {
  std::string out;
  for (std::size_t begin = 0;;) {
    const std::size_t script = page.find("<script", begin);
    out += page.substr(begin, script - begin);
    if (script == std::string::npos) return out;
    begin = page.find("</script>", script) + 9;
  }
}

std::string data_of(const std::string& page) {
  const std::string mark = "id=\"report-data\">";
  const std::size_t begin = page.find(mark) + mark.size();
  return page.substr(begin, page.find("</script>", begin) - begin);
}

TEST_F(ReportTest, SaysEachVerdictInWordsWithItsNumbers) {
  const Report report = write(made_up_.source());
  const std::string seen = visible(page());
  ASSERT_EQ(report.claims.size(), 5u);
  for (const ClaimResult& claim : report.claims) {
    EXPECT_THAT(seen, HasSubstr("<span class=\"word\">" + word(claim.verdict) + "</span>"));
    EXPECT_THAT(seen, HasSubstr(escaped(claim.claim.name)));
  }
  EXPECT_THAT(
      seen, AllOf(HasSubstr("<b>351</b> runs: 351 done"), HasSubstr("<b>13</b> image sets"), HasSubstr("exploratory")));
}

TEST_F(ReportTest, IsOneFileThatAsksNothingOfANetwork) {
  write(made_up_.source());
  const std::string html = page();
  EXPECT_LT(html.size(), 2'500'000u);
  // Addresses stand in scripts only as names (XML name spaces, schemas): no tag and no style fetches any.
  EXPECT_FALSE(
      std::regex_search(visible(html), std::regex("(src|href|action)\\s*=\\s*[\"']?(https?:)?//|url\\(|@import")));
  EXPECT_THAT(html, Not(HasSubstr("{{")));
}

TEST_F(ReportTest, DrawsEveryFigureOfTheStudyFromItsRows) {
  write(made_up_.source());
  const auto data = nlohmann::json::parse(data_of(page()));
  ASSERT_EQ(data["figures"].size(), 5u + 5u);  // and the five statistics of the claims over the learning rate
  const auto& alignment = data["figures"][0]["data"];
  EXPECT_EQ(alignment["panels"], nlohmann::json({"layer 0 (first)", "layer 2 (middle)", "layer 3 (last)"}));
  EXPECT_EQ(alignment["splits"], nlohmann::json({"familiar", "novel"}));
  EXPECT_EQ(alignment["series"].size(), 3u * 3 * 3 * 2);  // conditions, learning rates, panels, images
  EXPECT_EQ(alignment["series"][0]["courses"].size(), 13u);
  EXPECT_EQ(data["figures"][4]["data"]["x"].size(), 60u);  // of 100 steps
}

TEST_F(ReportTest, SaysWhatDashesMeanForEachAxisThatFiguresSplit) {
  auto source = made_up_.source();
  source.figures.push_back({"Distance by noise", "manifold.level", "epoch", "layer", {"last"}, {{"images", "familiar"}}, "noise", ""});
  write(source);
  const std::string seen = visible(page());
  const auto key_of = [&](const std::string& axis) {
    const std::size_t begin = seen.find("<div class=\"lines\"><span class=\"name\">" + axis + "</span>");
    return begin == std::string::npos ? "" : seen.substr(begin, seen.find("</div>", begin) - begin);
  };
  EXPECT_THAT(key_of("images"), AllOf(HasSubstr(">familiar</span>"), HasSubstr(">novel</span>"), Not(HasSubstr("0.3"))));
  EXPECT_THAT(key_of("noise"), AllOf(HasSubstr(">0.1</span>"), HasSubstr(">0.5</span>"), Not(HasSubstr("novel"))));
}

TEST_F(ReportTest, AveragesFiguresOverSeedsWithinUnitsBeforeItAveragesUnits) {
  // Every run of image set g and seed s measures g + 10 s: units are g + 10, their mean is 16.
  made_up_.sweep.measure = [](const LedgerRun& run, const std::string& metric) {
    return Measurement{metric, {{"step", {"0"}}}, {static_cast<float>(run.spec.image_set + 10 * run.spec.seed)}};
  };
  auto source = made_up_.source();
  source.figures = {{"Loss", "loss", "step", "", {}, {}, "", ""}};
  write(source);
  EXPECT_THAT(table("figure-loss-means"), HasSubstr("adapter,1e-04,,,0,13,16,"));
  EXPECT_THAT(table("figure-loss"), HasSubstr("adapter,1e-04,,,0,12,22"));
}

TEST_F(ReportTest, WritesEveryNumberOfAClaimToItsTable) {
  const Report report = write(made_up_.source());
  const std::string claims = table("claims");
  EXPECT_EQ(std::count(claims.begin(), claims.end(), '\n'), 1 + 1 + 1 + 9 + 1 + 1);
  for (const ClaimResult& claim : report.claims)
    for (const PartResult& part : claim.parts)
      EXPECT_THAT(claims, HasSubstr(nlohmann::json(part.interval.low).dump().substr(0, 12)));
  EXPECT_THAT(table("units"),
              HasSubstr("C4: fast weights amplify both,9,manifold.level,training.learning_rate=3e-04,12,"));
}

TEST_F(ReportTest, CountsFailuresAndNamesTheirReasons) {
  made_up_.sweep.state = [](const LedgerRun& run) {
    return run.spec.image_set == 3 && run.spec.seed == 1 ? RunState::kFailed : RunState::kDone;
  };
  write(made_up_.source());
  EXPECT_THAT(visible(page()),
              AllOf(HasSubstr("<b>9 failed</b>"), HasSubstr("the training loss is not a number at step 12"),
                    HasSubstr("failed or diverged; had their pairs taken the lowest or the highest value seen")));
}

TEST_F(ReportTest, ReportsASweepThatHasNotBegun) {
  made_up_.sweep.state = [](const LedgerRun&) { return RunState::kWaiting; };
  const Report report = write(made_up_.source());
  EXPECT_EQ(report.claims[0].verdict, Verdict::kUndecided);
  EXPECT_THAT(visible(page()),
              AllOf(HasSubstr("351 of 351 runs are to come"), HasSubstr("No run has measured attention.scope yet.")));
}

TEST_F(ReportTest, ReportsASweepWithoutRunsClaimsFiguresOrGrid) {
  ReportSource source;
  source.rows.for_each_measurement = [](std::span<const LedgerRun>, const Takers&) {};
  source.attachments = [](const RunId&) { return std::vector<Attachment>(); };
  EXPECT_THAT(write(source).claims, IsEmpty());
  EXPECT_THAT(visible(page()),
              AllOf(HasSubstr("This sweep has no runs yet"), HasSubstr("The definition makes no claims")));
}

TEST_F(ReportTest, LabelsVerdictsOfAnUnfinishedSweep) {
  made_up_.sweep.state = [](const LedgerRun& run) {
    return run.spec.image_set > 7 ? RunState::kWaiting : RunState::kDone;
  };
  write(made_up_.source());
  EXPECT_THAT(visible(page()),
              AllOf(HasSubstr("<span class=\"badge\">so far</span>"), HasSubstr("135 of 351 runs are to come")));
}

TEST_F(ReportTest, SaysWhichPItStates) {
  const Report report = write(made_up_.source());
  const std::string seen = visible(page());
  EXPECT_THAT(seen, HasSubstr("adjusted&nbsp;p"));
  for (const ClaimResult& claim : report.claims)
    if (claim.parts.size() == 1) EXPECT_THAT(verdict_table({claim}, "image_set", false), HasSubstr(claim.verdict == Verdict::kNegligible ? "equivalence p " : "  p "));
}

TEST_F(ReportTest, ListsClaimsThatWereWithdrawnAfterResults) {
  made_up_.sweep.claims[1].withdrawn = true;
  const Report report = write(made_up_.source());
  EXPECT_THAT(visible(page()), AllOf(HasSubstr("<span class=\"badge\">withdrawn after results</span>"),
                                     HasSubstr("1 claim was withdrawn after results: listed, and counted in the correction.")));
  EXPECT_THAT(verdict_table(report.claims, "image_set", false), HasSubstr("widens on familiar images (withdrawn after results)"));
  EXPECT_THAT(table("claims"), HasSubstr("C3a: attention widens on familiar images," + word(report.claims[1].verdict) + ",no,yes,"));
}

TEST_F(ReportTest, TellsThatUnitsWereAddedAfterResultsWhereTheyWereNotPlanned) {
  auto source = made_up_.source();
  source.rows.units_asked = {6, 20};
  EXPECT_THAT(caveats(source.rows), testing::ElementsAre(HasSubstr("Grown from 6 to 20 image sets after results")));
  source.rows.replication = Replication{};
  EXPECT_THAT(caveats(source.rows), IsEmpty());
}

TEST_F(ReportTest, TellsWhichSlicesAreMissing) {
  auto source = made_up_.source();
  source.rows.slices = {{1, 4}, {3, 4}};
  EXPECT_THAT(caveats(source.rows), testing::ElementsAre(HasSubstr("These are slices 1, 3 of 4; slices 2, 4 are missing.")));
  source.rows.slices = {{1, 2}, {2, 2}};
  EXPECT_THAT(caveats(source.rows), IsEmpty());
}

TEST_F(ReportTest, NamesAllValuesOfAFactThatTheSessionsDifferIn) {
  auto source = made_up_.source();
  source.provenances = {{{"commit", "aaaa"}, {"host", "node1"}}, {{"commit", "bbbb"}, {"host", "node1"}}};
  write(source);
  EXPECT_THAT(visible(page()), AllOf(HasSubstr("<dt>commit</dt><dd>aaaa</dd><dd>bbbb</dd>"), HasSubstr("<dt>host</dt><dd>node1</dd></dl>")));
}

TEST_F(ReportTest, DrawsNoBandOverFewerThanThreeUnits) {
  made_up_.sweep.image_sets = 2;
  write(made_up_.source());
  const auto series = nlohmann::json::parse(data_of(page()))["figures"][0]["data"]["series"][0];
  EXPECT_TRUE(series["mean"][0].is_number());
  EXPECT_TRUE(series["low"][0].is_null());
}

TEST_F(ReportTest, TellsHowAnEffectChangesOverTheValuesThatItIsAskedAtEachOf) {
  made_up_.sweep.claims = {made_up_.sweep.claims[3]};
  made_up_.sweep.claims[0].claim.each = {"training.learning_rate"};
  made_up_.sweep.measure = [](const LedgerRun& run, const std::string& metric) {
    const double rate = run.spec.settings.number("training.learning_rate"), full = run.spec.settings.string("fast.qkv") == "full" ? 1 : 0;
    const auto value = static_cast<float>(full * (1e4 * rate + 0.01 * static_cast<double>(run.spec.image_set)));
    return Measurement{metric, {{"epoch", {"0", "100"}}, {"layer", {"0", "1"}}, {"images", {"familiar", "novel"}}}, {0, 0, 0, 0, 0, 0, value, 0}};
  };
  auto source = made_up_.source();
  source.figures.clear();
  write(source);
  EXPECT_THAT(visible(page()), HasSubstr("The effect rises over learning rate 3e-5, 1e-4, 3e-4: p &lt; 0.001 (Page&#39;s trend test over 13 units"));
}

// Each run has 1e4 times its learning rate, twice that under `full`, and a tenth of its image set.
MadeUpSweep by_rate(const MadeUpSweep& sweep) {
  MadeUpSweep out = sweep;
  out.claims = {sweep.claims[3]};
  out.measure = [](const LedgerRun& run, const std::string& metric) {
    const double rate = run.spec.settings.number("training.learning_rate"), more = run.spec.settings.string("fast.qkv") == "full" ? 2 : 1;
    const auto value = static_cast<float>(more * 1e4 * rate + 0.1 * static_cast<double>(run.spec.image_set));
    return Measurement{metric, {{"epoch", {"0", "100"}}, {"layer", {"0", "1"}}, {"images", {"familiar", "novel"}}}, {0, 0, 0, 0, 0, 0, value, 0}};
  };
  return out;
}

TEST_F(ReportTest, DrawsWhatClaimsReadOverEveryNumberThatWasSweptUnitByUnit) {
  made_up_.sweep = by_rate(made_up_.sweep);
  auto source = made_up_.source();
  source.figures.clear();
  write(source);
  const auto figures = nlohmann::json::parse(data_of(page()))["figures"];
  ASSERT_EQ(figures.size(), 1u);
  const auto& data = figures[0]["data"];
  EXPECT_EQ(data["x"], nlohmann::json({3e-5, 1e-4, 3e-4}));
  EXPECT_EQ(data["colours"], nlohmann::json({"adapter", "frozen", "full"}));
  ASSERT_EQ(data["series"].size(), 3u);
  for (const auto& series : data["series"]) {
    const double more = data["colours"][series["colour"].get<std::size_t>()] == "full" ? 2 : 1;
    EXPECT_EQ(series["units"].size(), 13u);
    EXPECT_NEAR(series["courses"][12][1].get<double>(), more + 1.2, 1e-3);
    EXPECT_NEAR(series["mean"][2].get<double>(), 3 * more + 0.6, 1e-3);
    EXPECT_LT(series["low"][2].get<double>(), series["mean"][2].get<double>());
  }
  EXPECT_THAT(visible(page()), AllOf(HasSubstr("Dose and response"), HasSubstr("by learning rate</h3>"), HasSubstr("qkv full rises, p &lt; 0.001")));
  std::smatch name;
  const std::string seen = visible(page());
  ASSERT_TRUE(std::regex_search(seen, name, std::regex("tables/(figure-dose-[a-z0-9-]+)\\.csv")));
  EXPECT_THAT(table(name.str(1) + "-means"), HasSubstr("full,,,3e-4,13,"));
}

TEST_F(ReportTest, DrawsDosesOfWhatTheStudysFiguresShowWhereNothingIsClaimed) {
  made_up_.sweep = by_rate(made_up_.sweep);
  made_up_.sweep.claims.clear();
  auto source = made_up_.source();
  source.metrics = {{"manifold.level", {"epoch", "layer", "images"}, "relative", ""}};
  source.figures = {{"Level", "manifold.level", "epoch", "", {}, {}, "images", ""}, {"Level over layers", "manifold.level", "layer", "", {}, {}, "images", ""}};
  write(source);
  const auto figures = nlohmann::json::parse(data_of(page()))["figures"];
  ASSERT_EQ(figures.size(), 3u) << "one of a metric, however many figures show it";
  EXPECT_EQ(figures[2]["data"]["x"], nlohmann::json({3e-5, 1e-4, 3e-4}));
  for (const auto& series : figures[2]["data"]["series"]) {   // of familiar images at the end, over two layers
    const double last = series["mean"][2].get<double>();
    EXPECT_LT(std::min(std::abs(last - 3.6 / 2), std::abs(last - 6.6 / 2)), 1e-3) << last;
  }
}

TEST_F(ReportTest, DrawsDosesOfAnAblationWhereNothingElseIsChanged) {
  made_up_.sweep = by_rate(made_up_.sweep);
  auto source = made_up_.source();
  source.figures.clear();
  std::erase_if(source.rows.runs, [](const LedgerRun& run) {
    return run.spec.settings.number("training.learning_rate") != 1e-4 && run.spec.settings.string("fast.qkv") != "adapter";
  });
  write(source);
  const auto data = nlohmann::json::parse(data_of(page()))["figures"][0]["data"];
  EXPECT_EQ(data["colours"], nlohmann::json({"all runs"}));
  ASSERT_EQ(data["series"].size(), 1u);
  EXPECT_NEAR(data["series"][0]["mean"][1].get<double>(), 1.6, 1e-3);
}

TEST_F(ReportTest, DrawsNoDosesOfFewerThanThreeNumbers) {
  made_up_.sweep = by_rate(made_up_.sweep);
  made_up_.sweep.grid[1].values = {1e-4, 3e-4};
  auto source = made_up_.source();
  source.figures.clear();
  write(source);
  EXPECT_THAT(visible(page()), Not(HasSubstr("Dose and response")));
}

TEST_F(ReportTest, LetsNoNameBecomeMarkup) {
  const std::string evil = "</script><script>alert(1)</script><img src=x onerror='x'>&\"{{data}}";
  made_up_.sweep.claims[0].claim.name = evil;
  made_up_.sweep.grid[0].values.push_back(evil);
  auto source = made_up_.source();
  source.name = source.study = source.meaning = source.definition = evil;
  source.provenances = {{{evil, evil}}};
  source.figures[0].title = source.figures[0].caption = evil;
  write(source);
  const std::string html = page();
  EXPECT_THAT(
      html, AllOf(Not(HasSubstr("<script>alert")), Not(HasSubstr("<img src=x")), HasSubstr("&lt;script&gt;alert(1)")));
  EXPECT_TRUE(nlohmann::json::accept(data_of(html)));
}

TEST_F(ReportTest, WritesSvgFilesWhereVlConvertIsFound) {
  auto source = made_up_.source();
  source.figures.resize(1);
  const Report report = write_report(source, folder_.path());
  if (!report.no_svg.empty()) GTEST_SKIP() << report.no_svg;
  EXPECT_THAT(read_file(folder_ / "figures" / "alignment-over-training.svg"),
              AllOf(HasSubstr("<svg"), HasSubstr("Alignment over training")));
}

TEST_F(ReportTest, DrawsOnlyPicturesThatAreNotAsTheyWouldBeDrawn) {
  made_up_.sweep.claims.clear();
  auto source = made_up_.source();
  source.figures = {source.figures[3], source.figures[4]};
  if (const auto why = write_report(source, folder_.path()).no_svg; !why.empty()) GTEST_SKIP() << why;
  const fs::path scope = folder_ / "figures" / "attention-scope.svg", loss = folder_ / "figures" / "training-loss.svg";
  const auto scope_drawn = fs::last_write_time(scope), loss_drawn = fs::last_write_time(loss);
  write_report(source, folder_.path());
  EXPECT_EQ(fs::last_write_time(scope), scope_drawn);
  EXPECT_EQ(fs::last_write_time(loss), loss_drawn);

  fs::remove(folder_ / "figures" / "attention-scope.pdf");
  source.figures[1].caption = "Of the batch.";
  write_report(source, folder_.path());
  EXPECT_TRUE(fs::exists(folder_ / "figures" / "attention-scope.pdf"));
  EXPECT_THAT(read_file(loss), HasSubstr("Of the batch."));
  write_durably(scope, "by hand");
  const auto loss_again = fs::last_write_time(loss);
  write_report(source, folder_.path());
  EXPECT_THAT(read_file(scope), HasSubstr("Attention scope"));
  EXPECT_EQ(fs::last_write_time(loss), loss_again);
}

/// So many units over two places.
Figure figure_of_units(std::int64_t units) {
  FigureSeries series;
  for (std::int64_t unit = 0; unit < units; ++unit) series.units.push_back({unit, {0.5, static_cast<double>(unit)}});
  Figure figure;
  figure.x = {"0", "10"}, figure.numeric_x = true, figure.panels = {""}, figure.splits = {"say \"a\", b"}, figure.series = {series};
  return figure;
}

TEST(FigureRows, GiveEachOfFewUnitsAPathOfItsOwn) {
  EXPECT_EQ(unit_rows(figure_of_units(2), {{{}}, {{}}}, 0, 0, true),
            "x,y,condition,split,path\n"
            "\"0\",0.5,\"all runs\",\"say \"\"a\"\", b\",0\n"
            "\"10\",0,\"all runs\",\"say \"\"a\"\", b\",0\n"
            "\"0\",,\"all runs\",\"say \"\"a\"\", b\",0\n"
            "\"0\",0.5,\"all runs\",\"say \"\"a\"\", b\",1\n"
            "\"10\",1,\"all runs\",\"say \"\"a\"\", b\",1\n"
            "\"0\",,\"all runs\",\"say \"\"a\"\", b\",1\n");
}

TEST(FigureRows, DrawAllOfManyUnitsInSixPathsWithoutJoiningThem) {
  const std::string rows = unit_rows(figure_of_units(20), {{{}}, {{}}}, 0, 0, true);
  std::size_t breaks = 0;
  std::set<std::string> paths;
  std::istringstream lines(rows);
  std::string line;
  for (std::getline(lines, line); std::getline(lines, line);) breaks += line.starts_with("\"0\",,"), paths.insert(line.substr(line.rfind(',')));
  EXPECT_EQ(breaks, 20u);
  EXPECT_EQ(paths.size(), kPathsOfUnits);
  EXPECT_EQ(std::count(rows.begin(), rows.end(), '\n'), 1 + 20 * 3);
}

// The paths of a picture that are more than a line: "M0,1L9,2M0,3L9,4".
std::vector<std::string> paths_of_many(const std::string& svg) {
  std::vector<std::string> out;
  static const std::regex path(" d=\"(M[^\"]*M[^\"]*)\"");
  for (std::sregex_iterator found(svg.begin(), svg.end(), path), end; found != end; ++found) out.push_back((*found)[1]);
  return out;
}

TEST(FigureRows, AreDrawnFromTheFirstPlaceToTheLastOfEachUnit) {
  const TemporaryFolder folder;
  Figure figure = figure_of_units(20);
  figure.series[0].mean = {0.5, 9.5}, figure.series[0].low = {0.5, 7}, figure.series[0].high = {0.5, 12};
  figure.info.title = "Units", figure.slug = "units";
  Drawing drawing({{"units", [&] { return standalone_spec(figure, {{{}}, {{}}}); }}}, folder.path());
  if (const std::string why = drawing.finish(); !why.empty()) GTEST_SKIP() << why;
  const auto paths = paths_of_many(read_file(folder / "units.svg"));
  ASSERT_EQ(paths.size(), kPathsOfUnits);
  std::ptrdiff_t units = 0;
  for (const std::string& path : paths) {
    EXPECT_TRUE(std::regex_match(path, std::regex("(M0,[-.0-9]+L[1-9][.0-9]*,[-.0-9]+)+"))) << path;
    units += std::count(path.begin(), path.end(), 'M');
  }
  EXPECT_EQ(units, 20);
}

TEST_F(ReportTest, KeepsFiguresOfOneTitleApart) {
  auto source = made_up_.source();
  source.figures = {source.figures[4], source.figures[4]};
  write(source);
  EXPECT_TRUE(fs::exists(folder_ / "tables" / "figure-training-loss.csv"));
  EXPECT_TRUE(fs::exists(folder_ / "tables" / "figure-training-loss-2.csv"));
}

TEST_F(ReportTest, SaysWhyAFigureCannotBeDrawn) {
  auto source = made_up_.source();
  source.figures[0].at["brightness"] = "0.5";
  write(source);
  EXPECT_THAT(visible(page()),
              HasSubstr("It cannot be drawn: the metric alignment.specificity has no axis &quot;brightness&quot;"));
}

TEST(Csv, QuotesWhatItMustAndLetsNoTextBecomeAFormula) {
  Table table({"name", "count", "value"});
  table.add({std::string("a, \"b\"\nc"), std::int64_t{-3}, 0.1});
  for (const char* formula : {"=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1"})
    table.add({std::string(formula), std::int64_t{0}, std::nan("")});
  EXPECT_EQ(csv(table),
            "name,count,value\n\"a, \"\"b\"\"\nc\",-3,0.1\n'=1+1,0,\n'+A1,0,\n'-A1,0,\n'@SUM(A1),0,\n'\t=1,0,\n");
}

TEST(Html, WritesPicturesAsAddresses) {
  const auto address = [](std::string_view text) {
    return data_address("image/png", std::as_bytes(std::span(text.data(), text.size())));
  };
  // base64.b64encode(b"any carnal pleas") and two shorter
  EXPECT_EQ(address("any carnal pleas"), "data:image/png;base64,YW55IGNhcm5hbCBwbGVhcw==");
  EXPECT_EQ(address("any carnal plea"), "data:image/png;base64,YW55IGNhcm5hbCBwbGVh");
  EXPECT_EQ(address("any carnal ple"), "data:image/png;base64,YW55IGNhcm5hbCBwbGU=");
}

}  // namespace
}  // namespace palimpsest
