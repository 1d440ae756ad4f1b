#pragma once

#include <filesystem>
#include <string>

namespace palimpsest {

/// What of a run's network is asked for.
enum class NetworkPart { kEncoder, kAdapters };

/// The file with the network of a run, of a results folder: what was kept where that is enough, else made by training the run again, which gives the
/// same bits and stays there. `run` is the beginning of its id, or its number. Throws InputError: no such run, several, one that failed or
/// whose inputs have changed, a study whose runs have no networks.
std::filesystem::path network_of_run(const std::filesystem::path& results, const std::string& run, NetworkPart);

/// WEIGHTS as a command was given it: a file, or with `run` a results folder and then network_of_run. Throws InputError where
/// the two do not go together.
std::filesystem::path weights_given(const std::filesystem::path& weights, const std::string& run, NetworkPart = NetworkPart::kEncoder);

}  // namespace palimpsest
