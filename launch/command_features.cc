#include <fmt/core.h>

#include "launch/commands.h"
#include "launch/given_files.h"
#include "launch/shared_options.h"
#include "launch/trained_run.h"
#include "models/features.h"
#include "runtime/log.h"

namespace palimpsest {
namespace {

Normalisation normalisation_named(const std::string& name) {
  if (name == "clip") return Normalisation::kClip;
  return name == "imagenet" ? Normalisation::kImageNet : Normalisation::kNone;
}

}  // namespace

Run add_features(CommandLine& command) {
  struct Given {
    FeatureOptions features;
    std::string images, run, unreadable = "stop", normalise;
  };
  auto given = std::make_shared<Given>();
  command
      .add_option("WEIGHTS", given->features.weights,
                  "safetensors file under CLIPVisionModel's key names; adapters in peft's under encoder.* are used; or, with --run, the results folder of a sweep")
      ->required();
  command.add_option("--run", given->run, "the network of this run of a sweep (the beginning of its id, or its number); trained again where it was not kept")
      ->type_name("ID");
  command.add_option("--images", given->images, "folder of JPEG and PNG images")->required();
  add_unreadable(command, given->unreadable);
  command
      .add_option("--out", given->features.out,
                  "safetensors file to write: embedding, block.0, ... each [images, 1 + patches, width]")
      ->required();
  command
      .add_option("--normalise", given->normalise,
                  "what pixels are shifted and scaled by (default: as the weights tell, else clip)")
      ->one_of({"clip", "imagenet", "none"})
      ->type_name("NAME");
  command.add_flag("--attention", given->features.attention,
                   "write attention.0, ... too: [images, heads, tokens, tokens]");
  command
      .add_option("--heads", given->features.heads,
                  "attention heads, where neither the file nor a config.json beside it tells them")
      ->above_zero();
  command.add_option("--adapter-scale", given->features.adapter_scale,
                     "alpha / rank of adapters in the file (default: as it tells, else 4)");
  return [given](MpiWorld&) {
    if (!given->normalise.empty()) given->features.normalise = normalisation_named(given->normalise);
    const auto images = image_folder(image_folder_given(given->images, given->unreadable), [](const std::string& warning) { log().warn("{}", warning); });
    prepare_file(given->features.out);
    given->features.weights = weights_given(given->features.weights, given->run);   // last: a run may be trained again for it
    write_features(*images, given->features);
    fmt::print("{} images: {}\n", images->count(), given->features.out.string());
    return 0;
  };
}

}  // namespace palimpsest
