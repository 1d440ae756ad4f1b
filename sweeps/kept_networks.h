#pragma once

#include <filesystem>
#include <string>

#include "sweeps/study.h"

namespace palimpsest {

// The networks that runs make: FOLDER/RUN.safetensors, for runs of `keep = "trained"` that went well. What is kept of a run is no part
// of what it is (run_id.cc), and need not be kept: a run that is trained again makes the same bits.

/// Of a results folder.
constexpr const char* kTrainedFolder = "trained";

/// Where packs of this process leave networks; nowhere before. Every rank of a sweep says so before it computes.
void keep_networks_in(const std::filesystem::path& folder);
std::filesystem::path kept_network_of(const RunId&);  // empty: nowhere

/// Trains a run without measuring and writes its network. Throws InputError where the run fails, Interrupted.
using TrainAgain = void (*)(const RunSpec&, const std::filesystem::path& file, const PackContext&);
/// How a study does that; null where its runs have no network.
TrainAgain find_train_again(const std::string& study);

}  // namespace palimpsest
