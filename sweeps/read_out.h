#pragma once

#include <string>
#include <vector>

namespace palimpsest {

/// What a layer is read from: some of its tokens, as the block gives them or as it receives them.
struct ReadOut {
  enum Tokens {
    kClass,
    kMean,    // of the patches
    kFigure,  // of the patches, each as much as it lies on the figure
    kGround,  // likewise beside it
  } tokens = kMean;
  bool input = false;  // of the block

  bool by_figure() const { return tokens == kFigure || tokens == kGround; }
};

/// "cls", "mean", "figure", "ground", and each with "_input": the order in which they are measured.
const std::vector<std::string>& read_out_names();
ReadOut find_read_out(const std::string& name);  // throws KeyError of evaluation.readouts

}  // namespace palimpsest
