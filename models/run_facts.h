#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <c10/core/Device.h>

#include "models/pretraining_images.h"
#include "runtime/settings.h"

namespace palimpsest {

/// What a checkpoint must share with the run that goes on from it, by name: "definition" (every key that changes what is computed), and hashes
/// of the "training images" and "validation images". It lies in the metadata of the weights.
using RunFacts = std::map<std::string, std::string>;
RunFacts run_facts(const Settings&, const PretrainingImages&);

/// What ranks that train together must have in common before they do: the definition, and the versions of program and libraries. `build`: what
/// source, compiled how.
std::vector<std::pair<std::string, std::string>> facts_to_agree_on(const Settings&, const std::string& build);

/// Every key as TOML, a line each.
std::string definition_text(const Settings&);

/// Which fact differs and how ('settings "training.batch = 8" there, "training.batch = 4" here'); empty where all agree. `then` may hold more.
std::string difference(const RunFacts& then, const RunFacts& now);

/// The same facts with the kind of device that computes, which may be another when a run goes on.
RunFacts with_device(RunFacts, at::Device);
/// The same facts with how the ranks share the training state, under "sharding".
RunFacts with_sharding(RunFacts, const Settings&);
/// A line where a run goes on on another kind of device than it was trained on; empty where it does not, or nothing is known.
std::string change_of_device(const RunFacts& then, at::Device now);

}  // namespace palimpsest
