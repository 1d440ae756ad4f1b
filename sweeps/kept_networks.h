#pragma once

#include <filesystem>
#include <string>

#include "sweeps/study.h"

namespace palimpsest {

// What runs make of their networks, in a results folder: trained/RUN.safetensors with `keep = "trained"` (models/trained_network.h), adapters/RUN.safetensors
// with `keep = "adapters"` (models/kept_adapters.h), for runs that went well. What is kept of a run is no part of what it is (run_id.cc), and need not be
// kept: a run that is trained again makes the same bits.

enum class Kept { kTrained, kAdapters };
std::filesystem::path kept_file(const std::filesystem::path& results, Kept, const RunId&);

/// Where packs of this process leave networks; nowhere before. Every rank of a sweep says so before it computes.
void keep_networks_in(const std::filesystem::path& results);
std::filesystem::path kept_file(Kept, const RunId&);  // empty: nowhere

/// Trains a run without measuring and writes its network. Throws InputError where the run fails, Interrupted.
using TrainAgain = void (*)(const RunSpec&, const std::filesystem::path& file, const PackContext&);
/// How a study does that; null where its runs have no network.
TrainAgain find_train_again(const std::string& study);

}  // namespace palimpsest
