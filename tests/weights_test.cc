// Weights of other libraries, in and out, and what is said of files.

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>

#include <nlohmann/json.hpp>

#include "models/adapted_weights.h"
#include "models/export_weights.h"
#include "models/import_weights.h"
#include "models/inspect_weights.h"
#include "models/key_ranges.h"
#include "models/peft_adapters.h"
#include "models/position_grid.h"
#include "models/weight_family.h"
#include "models/weight_files.h"
#include "runtime/checkpoint.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/tensor_file.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

VitConfig small_vit(bool as_clip) {
  return {.width = 24,
          .depth = 3,
          .heads = 3,
          .mlp_width = 40,
          .patch = 4,
          .side = 16,
          .activation = Activation::kGelu,
          .norm_epsilon = 1e-6,
          .patch_bias = !as_clip,
          .pre_norm = as_clip};
}

SlowWeights small_weights(bool as_clip) {
  SlowWeights slow;
  slow.config = small_vit(as_clip);
  slow.encoder = initial_vit(slow.config, RandomStream(7));
  for (auto& [name, parameter] : slow.encoder) {  // no zero, no one: each number has a place of its own
    std::vector<float> draws(static_cast<std::size_t>(parameter.value.numel()));
    RandomStream(8).child(purpose(name)).fill_normal(draws.data(), std::ssize(draws));
    parameter.value = at::tensor(draws).view(parameter.value.sizes());
  }
  return slow;
}

bool same(const Parameters& a, const Parameters& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.first == y.first && at::equal(x.second.value, y.second.value);
  });
}

template <class Do>
std::string refusal(Do act) {
  try {
    act();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

class Weights : public ::testing::Test {
 protected:
  std::filesystem::path slow_file(bool as_clip) const {
    write_slow_weights(folder_ / "slow.safetensors", small_weights(as_clip));
    return folder_ / "slow.safetensors";
  }

  // Written for a family of its own folder, so that no config.json of another lies beside it.
  std::filesystem::path exported(const std::string& family, bool as_clip) const {
    std::filesystem::create_directories(folder_ / family);
    const auto out = folder_ / family / "model.safetensors";
    export_weights({.weights = slow_file(as_clip), .out = out, .family = family, .prefix = {}});
    return out;
  }

  void rewrite(const std::filesystem::path& file, const std::function<void(TensorMap&)>& change) const {
    auto tensors = read_tensors(file);
    change(tensors);
    write_tensors(file, tensors, {});
  }

  static ImportOptions of(const std::filesystem::path& file) {
    return {.file = file, .family = {}, .prefix = {}, .heads = 3, .activation = "gelu", .norm_epsilon = 1e-6};
  }

  TemporaryFolder folder_;
};

TEST_F(Weights, ComeBackFromEveryFamilyToTheBit) {
  for (const auto* family : weight_families())
    for (const bool as_clip : {false, true}) {
      const std::string name = family->name;
      if (as_clip ? name.starts_with("vit") : name == "openai-clip")
        continue;  // have no place for the norm before, or the patches' bias
      const auto imported = import_weights(of(exported(name, as_clip)));
      EXPECT_TRUE(same(imported.weights.encoder, small_weights(as_clip).encoder)) << name;
      EXPECT_THAT(imported.left, IsEmpty()) << name;
      EXPECT_EQ(imported.weights.config.side, 16) << name;
    }
}

TEST_F(Weights, AnUnknownArchitectureIsNotExportedInPart) {
  EXPECT_THAT(refusal([&] { exported("vit", true); }),
              AllOf(HasSubstr("pre_layrnorm.weight"), HasSubstr("These have: clip, timm, openai-clip.")));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "vit" / "model.safetensors"));
}

TEST_F(Weights, EveryMissingKeyIsNamed) {
  const auto file = exported("timm", false);
  rewrite(file,
          [](TensorMap& t) { t.erase("blocks.1.norm2.bias"), t.erase("blocks.2.norm2.bias"), t.erase("pos_embed"); });
  EXPECT_THAT(refusal([&] { import_weights(of(file)); }),
              AllOf(HasSubstr("lacks 3 of its keys"), HasSubstr("pos_embed"), HasSubstr("blocks.{1-2}.norm2.bias")));
}

TEST_F(Weights, WhatIsNoPartOfTheEncoderGoesAlongAndComesOutAgainToTheBit) {
  const auto file = exported("timm", false), again = folder_ / "again.safetensors", other = folder_ / "other.safetensors";
  rewrite(file, [](TensorMap& t) { t["head.weight"] = at::rand({2, 24}, at::kDouble).to(at::kFloat), t["seen"] = at::arange(5); });
  const auto imported = import_weights(of(file));
  EXPECT_THAT(imported.kept, ElementsAre("head.weight", "seen"));
  EXPECT_THAT(imported.left, IsEmpty());
  write_slow_weights(folder_ / "in.safetensors", imported.weights);
  const auto to_timm = export_weights({.weights = folder_ / "in.safetensors", .out = again, .family = "timm", .prefix = {}});
  EXPECT_THAT(to_timm.how_to_load, HasSubstr("num_classes=2, global_pool=\"token\""));
  const auto went_in = read_tensors(file), came_out = read_tensors(again);
  EXPECT_EQ(went_in.size(), came_out.size());
  for (const auto& [key, value] : went_in) EXPECT_TRUE(came_out.contains(key) && at::equal(value, came_out.at(key))) << key;
  EXPECT_THAT(export_weights({.weights = folder_ / "in.safetensors", .out = other, .family = "clip", .prefix = {}}).left, ElementsAre("head.weight", "seen"))
      << "another library has no place for it";
  auto smaller = of(file);
  smaller.resolution = 8;
  EXPECT_THAT(import_weights(smaller).left, ElementsAre("head.weight", "seen"));
}

TEST_F(Weights, WhatABlockComputesBesidesIsRefused) {
  const auto file = exported("timm", false);
  rewrite(file, [](TensorMap& t) { t["blocks.0.ls1.gamma"] = at::ones({24}); });
  EXPECT_THAT(refusal([&] { import_weights(of(file)); }), HasSubstr("blocks.0.ls1.gamma"));
  rewrite(file, [](TensorMap& t) { t.erase("blocks.0.ls1.gamma"), t["reg_token"] = at::ones({1, 4, 24}); });
  EXPECT_THAT(refusal([&] { import_weights(of(file)); }), HasSubstr("reg_token"));
}

TEST_F(Weights, ShapesThatDoNotFitAreToldByTheFilesOwnKey) {
  const auto file = exported("timm", false);
  rewrite(file, [](TensorMap& t) { t["blocks.1.mlp.fc1.weight"] = at::ones({40, 23}); });
  EXPECT_THAT(refusal([&] { import_weights(of(file)); }), HasSubstr("blocks.1.mlp.fc1.weight"));
}

TEST_F(Weights, SeveralEncodersInAFileWantAPrefix) {
  const auto file = exported("timm", false);
  rewrite(file, [](TensorMap& t) {
    TensorMap both;
    for (const auto& [name, value] : t) both["student." + name] = value, both["teacher." + name] = value + 1;
    t = both;
  });
  auto options = of(file);
  EXPECT_THAT(refusal([&] { import_weights(options); }), HasSubstr("\"student.\", \"teacher.\""));
  options.prefix = "student.";
  EXPECT_TRUE(same(import_weights(options).weights.encoder, small_weights(false).encoder));
}

TEST_F(Weights, PositionsOfAnotherResolutionKeepTheClassTokensAndAConstantTable) {
  auto table = at::ones({17, 5});
  table[0].fill_(9);
  for (const bool antialias : {false, true}) {
    const auto larger = resized_positions(table, true, 7, antialias);
    EXPECT_EQ(larger.size(0), 50);
    EXPECT_TRUE(at::equal(larger[0], table[0]));
    EXPECT_TRUE(at::allclose(larger.slice(0, 1), at::ones({49, 5})));
    EXPECT_TRUE(at::equal(resized_positions(table, true, 4, antialias), table));
  }
}

TEST_F(Weights, KnowHowTheyAreNormalisedAndActivated) {
  auto options = of(exported("timm", false));
  options.resolution = 24;
  write_slow_weights(folder_ / "in.safetensors", import_weights(options).weights);
  const auto slow = read_slow_weights(folder_ / "in.safetensors");
  EXPECT_EQ(slow.config.side, 24);
  EXPECT_EQ(slow.config.mean, kImageNetMean);
  EXPECT_EQ(slow.config.sd, kImageNetSd);
  EXPECT_EQ(slow.config.activation, Activation::kGelu);
  EXPECT_EQ(slow.config.norm_epsilon, 1e-6);
}

TEST_F(Weights, ThatWereNotImportedAreToldHow) {
  EXPECT_THAT(refusal([&] { read_slow_weights(exported("timm", false)); }), HasSubstr("palimpsest weights import"));
}

TEST_F(Weights, AFolderStandsForTheOneFileInIt) {
  const auto file = exported("timm", false);
  EXPECT_EQ(WeightFiles(file.parent_path()).path(), file);
  std::filesystem::rename(file, file.parent_path() / "a.safetensors");
  EXPECT_EQ(WeightFiles(file.parent_path()).path().filename(), "a.safetensors");
  std::filesystem::copy(file.parent_path() / "a.safetensors", file.parent_path() / "b.safetensors");
  EXPECT_THAT(refusal([&] { WeightFiles{file.parent_path()}; }), HasSubstr("a.safetensors, b.safetensors"));
  std::filesystem::create_directory(folder_ / "empty");
  EXPECT_THAT(refusal([&] { WeightFiles{folder_ / "empty"}; }), HasSubstr("holds no safetensors file"));
}

TEST_F(Weights, SeveralFilesOfOneModelAreJoinedByTheirIndex) {
  const auto file = exported("timm", false);
  TensorMap one, two;
  nlohmann::json index = {{"weight_map", nlohmann::json::object()}};
  for (const auto& [name, value] : read_tensors(file)) {
    const bool first = one.size() <= two.size();
    (first ? one : two)[name] = value;
    index["weight_map"][name] = first ? "one.safetensors" : "two.safetensors";
  }
  std::filesystem::create_directory(folder_ / "shards");
  write_tensors(folder_ / "shards" / "one.safetensors", one, {});
  write_tensors(folder_ / "shards" / "two.safetensors", two, {});
  write_durably(folder_ / "shards" / "model.safetensors.index.json", index.dump());
  EXPECT_TRUE(same(import_weights(of(folder_ / "shards")).weights.encoder, small_weights(false).encoder));
}

TEST_F(Weights, InspectionNamesTheFamilyAndWhatIsNotFinite) {
  const auto file = exported("timm", false);
  EXPECT_THAT(inspect_weight_file(slow_file(true)).kind, "slow weights of Palimpsest");
  rewrite(file, [](TensorMap& t) { t["norm.bias"][3] = NAN; });
  const auto facts = inspect_weight_file(file);
  EXPECT_THAT(facts.kind, HasSubstr("timm"));
  EXPECT_EQ(facts.architecture.at("depth"), "3");
  EXPECT_THAT(facts.not_finite, ElementsAre(std::pair<const std::string, std::int64_t>("norm.bias", 1)));
}

TEST_F(Weights, InspectionNamesADamagedFileAndATornCheckpoint) {
  const auto checkpoint = write_checkpoint(folder_ / "checkpoints", 12, [&](const auto& into) {
    write_slow_weights(into / "weights.safetensors", small_weights(true));
  });
  EXPECT_THAT(inspect_weights(folder_ / "checkpoints").flaws, IsEmpty());
  std::filesystem::resize_file(checkpoint.folder / "weights.safetensors", 1000);
  const auto inspected = inspect_weights(folder_ / "checkpoints");
  ASSERT_EQ(inspected.files.size(), 1u);
  EXPECT_THAT(inspected.files[0].damage, HasSubstr("weights.safetensors"));
  EXPECT_THAT(inspected.flaws, ElementsAre(HasSubstr("step-000000012")));
}

TEST_F(Weights, InspectionOfWhatIsNotThereSaysSo) {
  EXPECT_THAT(refusal([&] { inspect_weights(folder_ / "nothere"); }), HasSubstr("nothere: there is no such file or folder"));
}

TEST_F(Weights, AFileOfPyTorchIsToldHowItIsConverted) {
  std::ofstream(folder_ / "model.pt") << "PK\x03\x04 and so on";
  EXPECT_THAT(refusal([&] { WeightFiles{folder_ / "model.pt"}; }),
              AllOf(HasSubstr("torch.load"), HasSubstr("weights_only=True"), HasSubstr("model.safetensors")));
  std::ofstream(folder_ / "jit.pt") << "PK\x03\x04 and jit/code/__torch__.py";
  EXPECT_THAT(refusal([&] { WeightFiles{folder_ / "jit.pt"}; }), HasSubstr("torch.jit.load"));
}

class Adapters : public Weights {
 protected:
  AdaptedWeights adapted(bool one_a) const {
    AdaptedWeights out{small_weights(true), {}};
    const auto draw = [](std::uint64_t key, std::int64_t rows, std::int64_t columns) {
      std::vector<float> numbers(static_cast<std::size_t>(rows * columns));
      RandomStream(key).fill_normal(numbers.data(), std::ssize(numbers));
      return at::tensor(numbers).view({rows, columns});
    };
    std::uint64_t key = 0;
    for (std::int64_t layer : {0, 2})
      for (const char* target : {"query", "key", "value"}) {
        ++key;
        out.adapters[map_name(layer, target)] = {draw(one_a ? 100 + layer : key, 4, 24), draw(50 + key, 24, 4), 2.5};
      }
    return out;
  }

  static bool same_adapters(const AdaptedWeights& a, const AdaptedWeights& b) {
    return std::ranges::equal(a.adapters, b.adapters, [](const auto& x, const auto& y) {
      return x.first == y.first && at::equal(x.second.a, y.second.a) && at::equal(x.second.b, y.second.b) &&
             x.second.scale == y.second.scale;
    });
  }
};

TEST_F(Adapters, ComeBackFromTheirOwnFileAndFromPeftsToTheBit) {
  for (const bool one_a : {false, true}) {
    const auto before = adapted(one_a);
    write_adapted_weights(folder_ / "adapted.safetensors", before);
    EXPECT_TRUE(same_adapters(read_adapted_weights(folder_ / "adapted.safetensors"), before));
    for (const char* modules : {"clip", "timm"}) {
      if (!one_a && modules == std::string("timm")) continue;  // one map of queries, keys and values has one A
      std::filesystem::create_directories(folder_ / "peft");
      export_adapters(folder_ / "adapted.safetensors", folder_ / "peft" / "adapter_model.safetensors",
                      weight_family(modules), "some.prefix.");
      EXPECT_TRUE(same_adapters(import_adapters(folder_ / "peft", slow_file(true)).weights, before)) << modules;
    }
  }
}

TEST_F(Adapters, MergedComputeTheSame) {
  auto both = adapted(false);
  for (auto& [name, parameter] : both.slow.encoder)
    parameter.value = 0.2 * parameter.value;  // attention that is not all or nothing
  for (auto& [name, fast] : both.adapters) fast.b = 0.1 * fast.b;
  const auto with = adapted_encoder(both);
  const auto slow = merged(both);
  const VitEncoder without(slow.config, slow.encoder);
  const auto x = at::arange(2 * 17 * 24, at::kFloat).sin().view({1, 2, 17, 24});
  EXPECT_TRUE(at::allclose(with.block(0, x), without.block(0, x), 1e-5, 1e-5));
  EXPECT_FALSE(at::allclose(with.block(0, x), VitEncoder(both.slow.config, both.slow.encoder).block(0, x), 1e-3, 1e-3));
}

TEST_F(Adapters, DifferentOnesDoNotFitOneMapOfQueriesKeysAndValues) {
  write_adapted_weights(folder_ / "adapted.safetensors", adapted(false));
  EXPECT_THAT(refusal([&] {
                export_adapters(folder_ / "adapted.safetensors", folder_ / "adapter_model.safetensors",
                                weight_family("timm"), "");
              }),
              HasSubstr("--modules clip"));
}

TEST_F(Adapters, OfAnotherKindOrForOtherWeightsAreRefused) {
  write_adapted_weights(folder_ / "adapted.safetensors", adapted(false));
  const auto file = folder_ / "adapter_model.safetensors", config = folder_ / "adapter_config.json";
  export_adapters(folder_ / "adapted.safetensors", file, weight_family("clip"), "");
  const auto good = read_file(config);
  const auto refused = [&] { return refusal([&] { import_adapters(file, slow_file(true)); }); };
  EXPECT_EQ(refused(), "");
  auto other = nlohmann::json::parse(good);
  other["use_dora"] = true;
  write_durably(config, other.dump());
  EXPECT_THAT(refused(), HasSubstr("use_dora"));
  std::filesystem::remove(config);
  EXPECT_THAT(refused(), HasSubstr("there is no adapter_config.json"));
  write_durably(config, good);
  rewrite(file, [](TensorMap& t) {
    t["base_model.model.encoder.layers.7.self_attn.q_proj.lora_A.weight"] =
        t["base_model.model.encoder.layers.7.self_attn.q_proj.lora_B.weight"] = at::ones({4, 4});
  });
  EXPECT_THAT(refused(), HasSubstr("they have 3 blocks"));
}

TEST(KeyRanges, DrawTogetherWhatDiffersInTheBlockAlone) {
  EXPECT_THAT(key_ranges({"a", "b.0.x", "b.1.x", "b.3.x", "b.1.y"}), ElementsAre("a", "b.{0-1,3}.x", "b.1.y"));
  EXPECT_EQ(block_key("encoder.layers.12.norm").block, 12);
  EXPECT_EQ(block_key("head.weight").block, -1);
}

}  // namespace
}  // namespace palimpsest
