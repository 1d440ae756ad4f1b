#pragma once

#include <cmath>

#include "runtime/image.h"
#include "runtime/random_stream.h"
#include "sweeps/report.h"
#include "tests/made_up_rows.h"

namespace palimpsest {

/// A report's source in the shape of the familiarity study, with numbers that were made up: what a report is looked at
/// and tested with.
class MadeUpFamiliarity {
 public:
  MadeUpSweep sweep;

  MadeUpFamiliarity() {
    sweep.grid = {{"fast.qkv", {std::string("adapter"), std::string("full"), std::string("frozen")}},
                  {"training.learning_rate", {3e-5, 1e-4, 3e-4}}};
    sweep.base.set("slow.weights", std::string("slow/photos-micro.safetensors"));
    sweep.base.set("slow.readout", std::string("mean"));
    // Made up once for all reports of a process: a report reads each metric several times.
    sweep.measure = [](const LedgerRun& run, const std::string& metric) {
      static std::map<std::string, Measurement> made;
      const auto [found, is_new] = made.try_emplace(run.spec.id + metric);
      if (is_new) found->second = MadeUpFamiliarity::measure(run, metric);
      return found->second;
    };
    sweep.claims = {trend(), scope(), amplification(), depth(), sparseness()};
  }

  ReportSource source() const {
    ReportSource source;
    source.name = "lora-amplifies";
    source.study = "familiarity";
    source.meaning =
        "Trains an autoencoder on a few images, over and over, and measures how it comes to represent them.";
    source.rows = sweep.rows();
    source.rows.axis_keys = {{"readout", "slow.readout"}};
    source.metrics = {{"alignment.specificity", {}, "cosine", ""},
                      {"manifold.level", {}, "relative", ""},
                      {"attention.scope", {}, "patches", ""},
                      {"loss", {}, "", ""}};
    source.figures = figures();
    source.provenances = {
        {{"commit", "0123456789abcdef"}, {"LibTorch", "2.11.0"}, {"device", "CPU, one thread a worker"}}};
    source.definition = "study = \"familiarity\"\nname = \"lora-amplifies\"\n";
    source.attachments = [](const RunId&) {
      return std::vector<Attachment>{{"reconstruction, epoch 100", "image/png", picture()}};
    };
    return source;
  }

  static ClaimPart part(const std::string& metric, double smallest_effect) {
    ClaimPart part;
    part.metric = metric;
    part.at = {{"images", "familiar"}};
    part.minus = {{"images", "novel"}};
    part.smallest_effect = smallest_effect;
    return part;
  }

 private:
  static LedgerClaim claim(const std::string& name, std::vector<ClaimPart> parts, std::vector<std::string> each = {},
                           bool exploratory = false) {
    Claim out;
    out.name = name, out.parts = std::move(parts), out.each = std::move(each);
    return {out, exploratory};
  }
  static ClaimPart changed(ClaimPart part) {
    part.change_axis = "epoch", part.change_from = "0", part.change_to = "100";
    return part;
  }
  static LedgerClaim trend() {
    auto one = part("alignment.specificity", 0.0001);
    one.at["layer"] = "early", one.at["noise"] = "0.3", one.trend_axis = "epoch";
    one.treatment = {{"fast.qkv", std::string("adapter")}};
    return claim("C2: early layers come to align with the top layer", {one});
  }
  static LedgerClaim scope() {
    auto one = changed(part("attention.scope", 0.5));
    one.treatment = {{"fast.qkv", std::string("adapter")}};
    return claim("C3a: attention widens on familiar images", {one});
  }
  static LedgerClaim amplification() {
    std::vector<ClaimPart> parts = {changed(part("alignment.specificity", 0.02)), changed(part("attention.scope", 0.5)),
                                    changed(part("manifold.level", 0.05))};
    parts[2].log_ratio = true, parts[2].direction = Direction::kLess;
    for (ClaimPart& one : parts)
      one.treatment = {{"fast.qkv", std::string("adapter")}}, one.baseline = {{"fast.qkv", std::string("full")}};
    return claim("C4: fast weights amplify both", parts, {"training.learning_rate"});
  }
  static LedgerClaim depth() {
    auto one = changed(part("alignment.specificity", 0.04));
    one.at["layer"] = "last", one.treatment = {{"fast.qkv", std::string("full")}},
    one.baseline = {{"fast.qkv", std::string("frozen")}};
    return claim("Training q, k and v in full changes the last layer", {one});
  }
  static LedgerClaim sparseness() {
    auto one = changed(part("manifold.level", 0.05));
    one.treatment = {{"fast.qkv", std::string("adapter")}}, one.baseline = {{"fast.qkv", std::string("frozen")}};
    one.log_ratio = true;
    return claim("Adapters loosen the manifold of familiar images", {one}, {}, true);
  }

  static std::vector<FigureInfo> figures() {
    return {
        {"Alignment over training",
         "alignment.specificity",
         "epoch",
         "layer",
         {"first", "middle", "last"},
         {{"noise", "0.3"}},
         "images",
         "How much more a noisy image's representation points to its own clean top-layer representation than to other "
         "images'."},
        {"Alignment by layer",
         "alignment.specificity",
         "layer",
         "epoch",
         {"first", "last"},
         {{"noise", "0.3"}},
         "images",
         ""},
        {"Distance along the noise manifold",
         "manifold.level",
         "epoch",
         "noise",
         {"0.1", "0.3", "0.5"},
         {{"layer", "last"}},
         "images",
         "Distance to the level of noise before, relative to the distance between images."},
        {"Attention scope",
         "attention.scope",
         "epoch",
         "layer",
         {"first", "middle", "last"},
         {{"noise", "0.3"}},
         "images",
         "Effective number of patches that are attended to."},
        {"Training loss", "loss", "step", "", {}, {}, "", ""},
    };
  }

  static double draw(const std::string& what, std::initializer_list<std::int64_t> of) {
    RandomStream stream(purpose(what));
    for (auto branch : of) stream = stream.child(static_cast<std::uint64_t>(branch));
    return stream.normal(0);
  }

  static Measurement measure(const LedgerRun& run, const std::string& metric) {
    if (metric == "loss") return loss(run);
    const std::vector<std::string> epochs = {"0", "2", "4", "6", "8", "10", "20", "40", "60", "80", "100"};
    const bool readout = metric != "attention.scope";
    std::vector<Axis> axes = {{"epoch", epochs}, {"layer", {"0", "1", "2", "3"}}, {"noise", {"0.1", "0.3", "0.5"}}, {"images", {"familiar", "novel"}}};
    if (readout) axes.push_back({"readout", {"cls", "mean"}});
    Measurement out{metric, std::move(axes), {}};
    for (const auto& epoch : epochs)
      for (std::int64_t layer = 0; layer < 4; ++layer)
        for (std::int64_t noise = 0; noise < 3; ++noise)
          for (std::int64_t novel = 0; novel < 2; ++novel)
            for (int r = 0; r < (readout ? 2 : 1); ++r)
              out.values.push_back(static_cast<float>(value(run, metric, std::stod(epoch), layer, noise, novel)));
    return out;
  }

  static double value(const LedgerRun& run, const std::string& metric, double epoch, std::int64_t layer,
                      std::int64_t noise, std::int64_t novel) {
    const auto qkv = std::get<std::string>(run.spec.settings.at("fast.qkv"));
    const double rate = std::get<double>(run.spec.settings.at("training.learning_rate"));
    const double speed = qkv == "adapter" ? 1.0 : qkv == "full" ? 0.6 : 0.55;
    const double learnt = (1 - std::exp(-epoch * std::sqrt(rate / 1e-4) / 25)) * speed * (novel ? 0.35 : 1);
    const auto set = run.spec.image_set, seed = run.spec.seed;
    const double set_level = draw(metric + "set", {set}), set_course = draw(metric + qkv + "course", {set}),
                 noise_of_run = draw(metric + qkv, {set, seed, layer, noise, novel, static_cast<std::int64_t>(epoch)});
    if (metric == "alignment.specificity")
      return 0.12 + 0.06 * static_cast<double>(layer) + 0.03 * set_level +
             learnt * (0.16 - 0.02 * static_cast<double>(layer) + 0.05 * set_course) + 0.006 * noise_of_run;
    if (metric == "attention.scope")
      return 30 - 3 * static_cast<double>(layer) + 2 * set_level - learnt * (2.0 + 1.2 * set_course) +
             0.3 * noise_of_run;
    return std::exp(0.5 - 0.3 * static_cast<double>(noise) + 0.1 * set_level - learnt * (0.6 + 0.2 * set_course) +
                    0.02 * noise_of_run + 0.3 * std::max(0.0, epoch - 10) / 100 * speed);
  }

  static Measurement loss(const LedgerRun& run) {
    Measurement out{"loss", {}, {}};
    Axis steps{"step", {}};
    const double rate = std::get<double>(run.spec.settings.at("training.learning_rate"));
    for (int step = 0; step < 100; ++step) {
      steps.labels.push_back(std::to_string(step));
      out.values.push_back(static_cast<float>(0.004 + 0.12 * std::exp(-step * std::sqrt(rate / 1e-4) / 14) *
                                                          (1 + 0.1 * draw("loss", {run.spec.image_set}))));
    }
    out.axes = {steps};
    return out;
  }

  static std::vector<std::byte> picture() {
    Image image{96, 32, {}};
    for (int y = 0; y < 32; ++y)
      for (int x = 0; x < 96; ++x)
        for (int c = 0; c < 3; ++c)
          image.rgb.push_back(static_cast<std::uint8_t>(128 + 100 * std::sin(0.2 * x + 0.3 * y + c)));
    return encode_png(image);
  }
};

}  // namespace palimpsest
