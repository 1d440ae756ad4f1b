#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "launch/commands.h"
#include "launch/given_files.h"
#include "launch/shared_options.h"
#include "models/evaluate_weights.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/progress.h"

namespace palimpsest {
namespace {

struct Options {
  std::filesystem::path weights, images, table;
  bool dead_leaves = false, json = false;
  std::string unreadable = "stop";
  std::int64_t families = 10, members = 40, heads = 0;
  EvaluateOptions evaluate;
};

std::string percent(const Share& share) {
  return fmt::format("{:5.1f} % [{:4.1f}, {:4.1f}]", 100 * share.value, 100 * share.low, 100 * share.high);
}
std::string number(const Share& share) {
  return fmt::format("{:.5f} [{:.5f}, {:.5f}]", share.value, share.low, share.high);
}

std::string as_text(const Evaluation& e, const Options& options) {
  const std::string held_out = e.held_out == e.images ? "each held out once" : fmt::format("{} held out", e.held_out);
  std::string out = fmt::format("{}: {} images of {} classes, {}; chance {}\n", options.weights.string(), e.images, e.classes, held_out, percent(e.chance));
  out += fmt::format("{:<12} {:<8} {:<24} {}\n", "layer", "read-out",
                     fmt::format("{} nearest neighbours", options.evaluate.neighbours), "linear probe");
  for (const auto& a : e.accuracies)
    out += fmt::format("{:<12} {:<8} {:<24} {}{}\n", a.layer, a.readout, percent(a.neighbours), percent(a.probe),
                       a.converged ? "" : "   (not converged)");
  if (e.reconstruction)
    out += fmt::format("reconstruction of {}: mean squared error {}; by the mean colour {}\n",
                       e.reconstruction->kind == "hidden patches" ? "hidden patches (75 %)" : "whole images",
                       number(e.reconstruction->decoder), number(e.reconstruction->mean_colour));
  else
    out += fmt::format("no reconstruction error: {}\n", e.no_reconstruction);
  return out + "Brackets: 95 % intervals over held-out images.\n";
}

nlohmann::ordered_json as_json(const Share& share) {
  return {{"value", share.value}, {"low", share.low}, {"high", share.high}};
}

std::string as_json(const Evaluation& e, const Options& options) {
  nlohmann::ordered_json said = {{"weights", options.weights.string()},
                                 {"images", e.images},
                                 {"classes", e.classes},
                                 {"held_out", e.held_out},
                                 {"neighbours", options.evaluate.neighbours},
                                 {"penalty", options.evaluate.penalty},
                                 {"chance", as_json(e.chance)},
                                 {"accuracies", nlohmann::ordered_json::array()}};
  for (const auto& a : e.accuracies)
    said["accuracies"].push_back({{"layer", a.layer},
                                  {"readout", a.readout},
                                  {"neighbours", as_json(a.neighbours)},
                                  {"probe", as_json(a.probe)},
                                  {"converged", a.converged}});
  if (e.reconstruction)
    said["reconstruction"] = {{"of", e.reconstruction->kind},
                              {"decoder", as_json(e.reconstruction->decoder)},
                              {"mean_colour", as_json(e.reconstruction->mean_colour)}};
  else
    said["no_reconstruction"] = e.no_reconstruction;
  return said.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string as_csv(const Evaluation& e) {
  std::string out = "layer,readout,metric,value,low,high,chance\n";
  const auto row = [&](const std::string& layer, const std::string& readout, const char* metric, const Share& s,
                       const std::string& chance) {
    out += fmt::format("{},{},{},{:.9g},{:.9g},{:.9g},{}\n", layer, readout, metric, s.value, s.low, s.high, chance);
  };
  const auto chance = fmt::format("{:.9g}", e.chance.value);
  for (const auto& a : e.accuracies) {
    row(a.layer, a.readout, "neighbours", a.neighbours, chance);
    row(a.layer, a.readout, "probe", a.probe, chance);
  }
  if (e.reconstruction) {
    row("decoder", "", "reconstruction", e.reconstruction->decoder, "");
    row("mean colour", "", "reconstruction", e.reconstruction->mean_colour, "");
  }
  return out;
}

LabelledImages images_of(const Options& options) {
  if (options.dead_leaves == !options.images.empty())
    throw InputError("Give either --images FOLDER, with a subfolder for each class, or --dead-leaves.");
  if (options.dead_leaves) return dead_leaves_families(options.evaluate.seed, options.families, options.members);
  return labelled_folder(image_folder_given(options.images, options.unreadable), [](const std::string& warning) { log().warn("{}", warning); });
}

int evaluate(Options options) {
  if (!options.table.empty()) prepare_file(options.table);
  at::set_num_threads(1);  // products are small, and threads that wait for one another on a busy machine only spin
  const auto weights = read_adapted_weights(options.weights, options.heads);
  const auto images = images_of(options);
  std::optional<Progress> progress;
  options.evaluate.progress = [&](const char* what, const char* unit, std::int64_t done, std::int64_t of) {
    if (!progress) progress.emplace(what, of, unit);
    progress->update(done);
    if (done == of) progress->finish(), progress.reset();
  };
  if (!weights.slow.config.class_token && options.evaluate.readouts == EvaluateOptions().readouts)
    options.evaluate.readouts = {"mean"};
  const auto evaluation = evaluate_weights(weights, images, options.evaluate);
  if (!options.table.empty()) write_durably(options.table, as_csv(evaluation));
  std::fputs((options.json ? as_json(evaluation, options) : as_text(evaluation, options)).c_str(), stdout);
  return 0;
}

}  // namespace

Run add_evaluate(CommandLine& command) {
  auto options = std::make_shared<Options>();
  auto& e = options->evaluate;
  command
      .add_option("WEIGHTS", options->weights, "slow weights, pretrained here or imported; adapters in them are used")
      ->required();
  command.add_option("--images", options->images,
                     "folder with a subfolder of images for each class; or with train/CLASS and test/CLASS");
  add_unreadable(command, options->unreadable);
  command.add_flag("--dead-leaves", options->dead_leaves,
                   "made images in place of a folder: a class is the crops of one picture");
  command.add_option("--families", options->families, "pictures of --dead-leaves (default 10)")
      ->between(2, 1000);
  command.add_option("--members", options->members, "crops of each (default 40)")->between(2, 10000);
  command
      .add_option("--readout", e.readouts, "cls (class token), mean (of the patch tokens), or both: cls,mean (default)")
      ->delimiter(',');
  command.add_option("--k", e.neighbours, "nearest neighbours that vote (default 20)")->above_zero();
  command.add_option("--penalty", e.penalty, "of the linear probe's squared weights (default 0.001)")
      ->above_zero();
  command
      .add_option("--folds", e.folds,
                  "where the folder has no train and test: each image is held out in one of so many (default 5)")
      ->between(2, 1000);
  command.add_option("--seed", e.seed, "of the folds, and of dead leaves (default 0)");
  command.add_option("--heads", options->heads, "attention heads, where the weights do not tell")
      ->above_zero();
  command.add_option("--out", options->table, "CSV file for the same numbers");
  command.add_flag("--json", options->json, "for scripts");
  return [options](MpiWorld&) { return evaluate(*options); };
}

}  // namespace palimpsest
