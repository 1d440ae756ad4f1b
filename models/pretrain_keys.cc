#include "models/model_settings.h"
#include "models/objective.h"
#include "models/pretrain.h"
#include "runtime/image_source.h"
#include "runtime/precision.h"

namespace palimpsest {
namespace {

KeyTable objective_keys() {
  Key name{.name = "objective.name", .type = KeyType::kString, .default_value = std::string("masked-autoencoder"), .meaning = "what is minimised"};
  KeyTable keys;
  for (const ObjectiveInfo* objective : objectives()) {
    name.choices.push_back(objective->name);
    name.meaning += std::string("; ") + objective->name + ": " + objective->meaning;
    for (const Key& key : objective->keys()) keys.push_back(key);
  }
  keys.insert(keys.begin(), name);
  return keys;
}

KeyTable validation_keys() {
  return {
      {.name = "validation.source", .type = KeyType::kString, .default_value = std::string("held-out"),
       .meaning = "held-out: images taken out of the training set, spread evenly over it; folder, shards, dead-leaves: images of their own",
       .choices = {"held-out", "folder", "shards", "dead-leaves"}},
      {.name = "validation.path", .type = KeyType::kPath, .default_value = std::string(), .meaning = "the folder of images or shards, where the source is one"},
      {.name = "validation.count", .type = KeyType::kInteger, .default_value = std::int64_t{0},
       .meaning = "images to measure on; 0: a tenth held out, all of a folder, 64 dead leaves", .unit = "images", .minimum = 0},
      {.name = "validation.seed", .type = KeyType::kInteger, .default_value = std::int64_t{1}, .meaning = "of the dead leaves; not images.seed",
       .minimum = 0},
      {.name = "validation.every", .type = KeyType::kInteger, .default_value = std::int64_t{100},
       .meaning = "measure after each so many steps, and at the end", .unit = "steps", .minimum = 1},
  };
}

KeyTable training_keys() {
  return {
      {.name = "training.steps", .type = KeyType::kInteger, .default_value = std::int64_t{4000}, .meaning = "updates of the weights; time grows with it",
       .unit = "steps", .minimum = 1},
      {.name = "training.batch", .type = KeyType::kInteger, .default_value = std::int64_t{64},
       .meaning = "images of a step, over all ranks; time and memory grow with it", .unit = "images", .minimum = 1},
      {.name = "training.seed", .type = KeyType::kInteger, .default_value = std::int64_t{0},
       .meaning = "of first weights, order, crops, masks, dropout: equal seeds give equal curves", .minimum = 0},
      {.name = "training.learning_rate", .type = KeyType::kNumber, .default_value = 1e-3, .meaning = "of AdamW, at the end of the warm-up", .minimum = 0},
      {.name = "training.warmup_steps", .type = KeyType::kInteger, .default_value = std::int64_t{200},
       .meaning = "the learning rate rises linearly over so many steps, then falls to 0 as a half cosine", .unit = "steps", .minimum = 0},
      {.name = "training.weight_decay", .type = KeyType::kNumber, .default_value = 0.05,
       .meaning = "of AdamW, on matrices; biases, norms, positions and tokens are left alone", .minimum = 0},
      {.name = "training.beta1", .type = KeyType::kNumber, .default_value = 0.9, .meaning = "of AdamW: memory of the gradient", .minimum = 0, .maximum = 0.999999},
      {.name = "training.beta2", .type = KeyType::kNumber, .default_value = 0.95, .meaning = "of AdamW: memory of its square", .minimum = 0, .maximum = 0.999999},
      {.name = "training.clip", .type = KeyType::kNumber, .default_value = 1.0, .meaning = "largest norm of the gradient over all weights; 0: any", .minimum = 0},
      {.name = "training.dropout", .type = KeyType::kNumber, .default_value = 0.0, .meaning = "in the decoder", .minimum = 0, .maximum = 0.9},
      {.name = "training.short_side", .type = KeyType::kInteger, .default_value = std::int64_t{0},
       .meaning = "images are held in memory reduced to this short side; 0: 3/2 of model.side. Memory grows with its square", .unit = "pixels", .minimum = 0},
      {.name = "training.hold", .type = KeyType::kString, .default_value = std::string("auto"),
       .meaning = "memory: images are decoded once and kept; stream: each is read and decoded anew for each crop; auto: memory where they take less than a GiB",
       .choices = {"auto", "memory", "stream"}},
      {.name = "training.loader_threads", .type = KeyType::kInteger, .default_value = std::int64_t{0},
       .meaning = "threads of a rank that make crops ahead of the step; 0: a quarter of its cores, at least one", .unit = "threads", .minimum = 0, .maximum = 1024},
      {.name = "training.crop_smallest", .type = KeyType::kNumber, .default_value = 0.5,
       .meaning = "random crops: side of the smallest, as a share of the image's short side", .minimum = 0.05, .maximum = 1},
      {.name = "training.crop_largest", .type = KeyType::kNumber, .default_value = 1.0, .meaning = "side of the largest, likewise", .minimum = 0.05, .maximum = 1},
      {.name = "training.crop_aspect", .type = KeyType::kNumber, .default_value = 1.0,
       .meaning = "crops are stretched by up to this factor in width over height, and by its inverse; 1: squares", .minimum = 1, .maximum = 4},
      {.name = "training.flip", .type = KeyType::kBool, .default_value = true, .meaning = "mirror half of the crops, left to right"},
      {.name = "training.events_every", .type = KeyType::kInteger, .default_value = std::int64_t{10},
       .meaning = "a point of each curve in events/ (TensorBoard) after each so many steps", .unit = "steps", .minimum = 1},
      {.name = "training.checkpoint_minutes", .type = KeyType::kNumber, .default_value = 5.0, .meaning = "write a checkpoint after so much time; 0: never for that reason",
       .unit = "minutes", .minimum = 0},
      {.name = "training.checkpoint_steps", .type = KeyType::kInteger, .default_value = std::int64_t{0},
       .meaning = "write a checkpoint after each so many steps; 0: never for that reason", .unit = "steps", .minimum = 0},
      {.name = "training.keep_checkpoints", .type = KeyType::kInteger, .default_value = std::int64_t{2}, .meaning = "the newest so many stay", .minimum = 1, .maximum = 1000},
      {.name = "training.keep_every", .type = KeyType::kInteger, .default_value = std::int64_t{0},
       .meaning = "checkpoints of steps that are multiples of this stay too; 0: none", .unit = "steps", .minimum = 0},
      {.name = "training.accumulate", .type = KeyType::kInteger, .default_value = std::int64_t{1},
       .meaning = "a rank computes its part of a batch in so many parts, one after another: memory falls, the loss curve stays", .minimum = 1},
      {.name = "training.precision", .type = KeyType::kString, .default_value = std::string("float32"),
       .meaning = "of the network's arithmetic; weights, sums of gradients and moments are kept in float32", .choices = precision_names()},
      {.name = "training.recompute", .type = KeyType::kBool, .default_value = false,
       .meaning = "keep only the input of each block, and compute it again in the backward: a third more time, a fraction of the memory"},
  };
}

KeyTable sharding_keys() {
  return {
      {.name = "sharding.strategy", .type = KeyType::kString, .default_value = std::string("none"),
       .meaning = "what the ranks share out among themselves: none (every rank has all), optimizer (moments), gradients (and gradients), full (and weights)",
       .choices = {"none", "optimizer", "gradients", "full"}},
      {.name = "sharding.group", .type = KeyType::kString, .default_value = std::string("world"),
       .meaning = "world: over all ranks; node: over the ranks of a node, each node having all", .choices = {"world", "node"}},
  };
}

}  // namespace

const KeyTable& pretrain_keys() {
  static const KeyTable keys = [] {
    KeyTable all = model_keys();
    const auto add = [&](const KeyTable& part) { all.insert(all.end(), part.begin(), part.end()); };
    add(objective_keys());
    add(image_keys());
    add(validation_keys());
    add(training_keys());
    add(sharding_keys());
    for (Key& key : all) key.sweepable = false;
    return all;
  }();
  return keys;
}

}  // namespace palimpsest
