#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/image_source.h"

namespace palimpsest {

struct DefinitionArgument;

/// What `launch` must know of a definition before it starts ranks.
struct DefinitionNeeds {
  bool gpus = false;                  // it is computed on GPUs where there are any
  std::vector<std::string> weights;   // files of slow weights that its runs read
  std::vector<ImagePlace> images;
  void (*refuse_folder)(const std::filesystem::path&) = nullptr;   // of results: throws InputError where it holds those of another kind
};

// Each reads the definition; throws InputError.
DefinitionNeeds needs_of_pretraining(const DefinitionArgument&);
DefinitionNeeds needs_of_sweep(const DefinitionArgument&);

// Each throws InputError, in the words of the ranks, where such files are not on this host.
void refuse_missing_weights(const DefinitionNeeds&);
void refuse_missing_images(const DefinitionNeeds&);

}  // namespace palimpsest
