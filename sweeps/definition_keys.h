#pragma once

#include "runtime/settings.h"

// The keys that every sweep has, whatever its study, declared once: the reader (definition.cc), the schema and what `init` writes
// (key_text.cc) come from here.

namespace palimpsest {

inline const Key kName = {.name = "name", .type = KeyType::kString, .default_value = std::string(), .meaning = "what results and reports call the sweep", .required = true};
inline const Key kStudy = {.name = "study", .type = KeyType::kString, .default_value = std::string(), .meaning = "what a run does and measures", .required = true};

inline const Key kImageSets = {.name = "sweep.image_sets", .type = KeyType::kInteger, .default_value = std::int64_t{1},
                               .meaning = "Independent units: what intervals and tests run over.", .unit = "sets of images", .minimum = 1, .maximum = 1e6};
inline const Key kSeeds = {.name = "sweep.seeds", .type = KeyType::kInteger, .default_value = std::int64_t{1},
                           .meaning = "Replicates within each unit.", .unit = "seeds", .minimum = 1, .maximum = 1e6};
inline const Key kMaxRuns = {.name = "sweep.max_runs", .type = KeyType::kInteger, .default_value = std::int64_t{1'000'000},
                             .meaning = "More runs than this are taken for a slip.", .unit = "runs", .minimum = 1, .maximum = 1e9};
inline const Key kPairs = {.name = "sweep.ablation_pairs", .type = KeyType::kBool, .default_value = false,
                           .meaning = "All pairs of the changes under [[sweep.ablation]] too."};

inline const Key kUntil = {.name = "replicate.until", .type = KeyType::kString, .default_value = std::string("every claim decided"),
                           .meaning = "When units stop being added.", .choices = {"every claim decided"}};
inline const Key kMin = {.name = "replicate.min", .type = KeyType::kInteger, .default_value = std::int64_t{10},
                         .meaning = "Units that run in any case.", .minimum = 2, .maximum = 1e6};
inline const Key kMax = {.name = "replicate.max", .type = KeyType::kInteger, .default_value = std::int64_t{40},
                         .meaning = "The most units.", .minimum = 2, .maximum = 1e6};
inline const Key kBatch = {.name = "replicate.batch", .type = KeyType::kInteger, .default_value = std::int64_t{5},
                           .meaning = "Units added at a time.", .minimum = 1, .maximum = 1e6};
inline const Key kWidth = {.name = "replicate.width", .type = KeyType::kNumber, .default_value = 0.0,
                           .meaning = "A claim whose intervals are narrower is left at that; 0: none is.", .minimum = 0};

inline const Key kPackSize = {.name = "packs.size", .type = KeyType::kInteger, .default_value = std::int64_t{0},
                              .meaning = "Runs of a pack.", .unit = "runs, or \"auto\"", .minimum = 1, .maximum = 1e6};
inline const Key kSnapshotEvery = {.name = "packs.snapshot_every", .type = KeyType::kNumber, .default_value = 300.0,
                                   .meaning = "Time between snapshots of a pack in flight; 0: only where it is stopped.", .unit = "s", .minimum = 0, .maximum = 1e6};

inline const Key kDeviceHour = {.name = "cost.device_hour", .type = KeyType::kNumber, .default_value = 0.0,
                                .meaning = "Price of one worker for an hour; 0: none is known.", .minimum = 0, .maximum = 1e6};
inline const Key kCurrency = {.name = "cost.currency", .type = KeyType::kString, .default_value = std::string("USD"), .meaning = "What prices are in."};

inline KeyTable keys_of_sweep() { return {kImageSets, kSeeds, kMaxRuns, kPairs}; }
inline KeyTable keys_of_replicate() { return {kUntil, kMin, kMax, kBatch, kWidth}; }
inline KeyTable keys_of_packs() { return {kPackSize, kSnapshotEvery}; }
inline KeyTable keys_of_cost() { return {kDeviceHour, kCurrency}; }

}  // namespace palimpsest
