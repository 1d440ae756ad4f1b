#pragma once

#include <string>
#include <vector>

#include "sweeps/definition.h"

namespace palimpsest {

inline const std::string kHead = "study = \"planted\"\nname = \"try\"\n";

/// As if it stood in /folder/try.toml.
inline Definition read(const std::string& text, std::vector<Override> overrides = {}) { return read_definition_text(text, "/folder/try.toml", overrides); }

inline const std::string kFull = R"(study = "planted"
name = "try"

[planted]
cluster_sd = 2
noise_sd = 0.25

[packs]
size = 8

[sweep]
image_sets = 13
seeds = 3

[sweep.grid]
"planted.effect" = [0.5, 1]
"planted.condition" = ["b", "a"]

[[claim]]
name = "b shifts the score"
metric = "planted.score"
at = { layers = "early", images = "familiar" }
change = { epoch = [0, 10] }
minus = { images = "novel" }
treatment = { "planted.condition" = "b" }
baseline = { planted.condition = "a" }
each = ["planted.effect"]
direction = "greater"
smallest_effect = 0.02
)";

}  // namespace palimpsest
