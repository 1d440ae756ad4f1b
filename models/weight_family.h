#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/vit_encoder.h"
#include "runtime/tensor_file.h"

namespace palimpsest {

/// How a tensor of another library lies beside ours.
enum class Layout {
  kSame,
  kToken,  // ours [C], theirs [1, 1, C]
  kTable,  // ours [T, C], theirs [1, T, C]
};

/// One tensor of another library and what it is here. "{}" stands for the number of a block.
struct WeightMap {
  std::vector<std::string> ours;    // several: theirs is these, one below the other (queries, keys, values)
  std::vector<std::string> theirs;  // spellings that are read; the first is written
  Layout layout = Layout::kSame;
  bool always = false;  // the library has it in any model: zeros are written where we have none
};

/// A part of a library's model that lies beside the encoder and is computed with nowhere here. It goes along with the
/// slow weights, as all that is left of a file does, and back into one; so does what config.json says of it.
struct Companion {
  std::string prefix;                    // of its keys
  const char* what;                      // in words
  const char* why;                       // no sweep uses it
  const char* model;                     // the library's class that has it
  std::vector<std::string> config_keys;  // that tell its shape in config.json, and go along too
};

bool has_companion(const TensorMap& kept, const Companion&);

/// How one library names the weights of a vision transformer. One file each (weights_NAME.cc), and a line in
/// weight_family.cc.
struct WeightFamily {
  const char* name;
  const char* meaning;
  std::vector<std::vector<std::string>>
      signs;                 // files have all keys of one of these, behind one prefix; the last names the first block
  std::string sign_of_file;  // and this one without a prefix; empty: nothing more is asked
  std::string prefix;        // what is written before its keys
  std::vector<WeightMap> maps;
  std::vector<std::string> unlike;  // keys of tokens that change every output and have no place here: refused
  Activation activation;            // where neither the file nor a config.json tells
  double norm_epsilon;
  std::array<float, 3> mean, sd;  // what the library's models of this kind shift and scale pixels by
  std::optional<Companion> companion;
  bool antialias;                                // of the bicubic interpolation of position embeddings
  std::string (*config_json)(const VitConfig&);  // what the library reads beside the weights; nullptr: nothing
  /// Python. `kept`: what comes out beside the encoder.
  std::string (*how_to_load)(const VitConfig&, const std::filesystem::path& file, const TensorMap& kept);
};

/// All that can be read and written (weight_family.cc: the one list).
const std::vector<const WeightFamily*>& weight_families();
const WeightFamily& weight_family(const std::string& name);  // throws InputError that lists them

/// The encoder of a family in a file: what its keys begin with.
struct FoundFamily {
  const WeightFamily* family;
  std::string prefix;
};

/// Every family and prefix that the keys fit. Families whose keys are the same are told apart by sign_of_file: the most
/// specific is first.
std::vector<FoundFamily> families_of(const std::vector<std::string>& keys);

/// `pattern` with the number of a block in place of "{}".
std::string at_block(const std::string& pattern, std::int64_t block);
bool in_blocks(const std::string& pattern);

/// A linear map or a norm: its weight and its bias.
std::vector<WeightMap> weight_and_bias(const std::vector<std::string>& ours, const std::vector<std::string>& theirs,
                                       bool always = false);
std::vector<WeightMap> joined(std::initializer_list<std::vector<WeightMap>> parts);

constexpr std::array<float, 3> kImageNetMean = {0.485f, 0.456f, 0.406f}, kImageNetSd = {0.229f, 0.224f, 0.225f};

}  // namespace palimpsest
