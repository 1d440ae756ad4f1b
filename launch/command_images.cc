#include <algorithm>
#include <optional>

#include <fmt/core.h>

#include "launch/commands.h"
#include "launch/stop_signal.h"
#include "runtime/error.h"
#include "runtime/host_cores.h"
#include "runtime/image_pack.h"
#include "runtime/log.h"
#include "runtime/progress.h"
#include "runtime/words.h"

namespace palimpsest {
namespace {

struct Arguments {
  std::filesystem::path folder, masks, out;
  int side = 0, quality = 95;
  std::int64_t shard_megabytes = 256;
};

int pack(const Arguments& arguments) {
  open_log(0);
  catch_stop_signals();
  std::optional<Progress> bar;
  const ImagePack pack{.folder = arguments.folder,
                       .masks = arguments.masks,
                       .out = arguments.out,
                       .side = arguments.side,
                       .quality = arguments.quality,
                       .shard_bytes = arguments.shard_megabytes * 1'000'000,
                       .threads = host_cores().usable(),
                       .warn = [](const std::string& what) { log().warn("{}", what); },
                       .progress =
                           [&](std::int64_t done, std::int64_t all) {
                             if (!bar) bar.emplace("packing", all, "images");
                             bar->update(done);
                           },
                       .should_stop = stop_requested};
  const Packed packed = pack_images(pack);
  if (bar) bar->finish();
  const std::string beside = (packed.masks ? fmt::format(", {} masks", packed.masks) : "") +
                             (packed.left_out ? fmt::format(", {} left out", packed.left_out) : "");
  fmt::print("{}{} in {} of together {:.1f} MB: {}\n", counted(packed.images, "image"), beside, counted(packed.shards, "shard"),
             static_cast<double>(packed.bytes) / 1e6, arguments.out.string());
  return 0;
}

}  // namespace

Run add_images(CommandLine& command) {
  auto arguments = std::make_shared<Arguments>();
  command.require_subcommand();
  CommandLine* pack_command = command.add_subcommand(
      "pack", "write the images of a folder into tar shards, in the layout of WebDataset: images.source = \"shards\"");
  pack_command->add_option("FOLDER", arguments->folder, "JPEG and PNG images, with subfolders: those are the labels")
      ->required();
  pack_command->add_option("--out", arguments->out, "folder to make: shard-000000.tar, ..., classes.txt")->required();
  pack_command
      ->add_option("--side", arguments->side,
                   "reduce images to this short side (pixels); without it they stay as they are")
      ->between(8, 65000);
  pack_command->add_option("--quality", arguments->quality, "of the JPEGs that reduced images are written as")
      ->between(1, 100)
      ->capture_default_str();
  pack_command
      ->add_option("--shard-size", arguments->shard_megabytes, "a shard is closed when it has so many megabytes")
      ->between(1, 1'000'000)
      ->capture_default_str();
  pack_command->add_option("--masks", arguments->masks, "folder of figure masks that bear the names of their images");
  return [arguments](MpiWorld&) { return pack(*arguments); };
}

}  // namespace palimpsest
