#include "models/export_weights.h"

#include <algorithm>
#include <set>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "models/adapted_weights.h"
#include "models/key_ranges.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/tensor_file.h"

namespace palimpsest {
namespace {

at::ScalarType type_named(const std::string& name) {
  if (name == "float32") return at::kFloat;
  if (name == "float16") return at::kHalf;
  if (name == "bfloat16") return at::kBFloat16;
  throw InputError(fmt::format(
      "--dtype {}: is no type that weights are written in. Types are float32, float16 and bfloat16.", name));
}

at::Tensor laid_out(const at::Tensor& ours, Layout layout) {
  if (layout == Layout::kToken) return ours.view({1, 1, -1});
  return layout == Layout::kTable ? ours.unsqueeze(0) : ours;
}

// What came along with the encoder goes back to the library that it is from, under the names it had.
bool returns_kept(const SlowWeights& slow, const WeightFamily& family) {
  const auto from = slow.metadata.find("imported.family");
  return !slow.kept.empty() && from != slow.metadata.end() && from->second == family.name;
}

bool returns_companion(const SlowWeights& slow, const WeightFamily& family) {
  return returns_kept(slow, family) && family.companion && has_companion(slow.kept, *family.companion);
}

class Giving {
 public:
  Giving(const SlowWeights& slow, const WeightFamily& family, const ExportOptions& options)
      : slow_(slow),
        family_(family),
        returns_(returns_kept(slow, family)),
        prefix_(options.prefix.value_or(returns_ ? slow.metadata.at("imported.prefix") : family.prefix)),
        type_(type_named(options.dtype)),
        file_(options.weights) {}

  TensorMap give(ExportedWeights& said) {
    for (const auto& map : family_.maps)
      for (std::int64_t block = 0; block < (in_blocks(map.theirs.front()) ? slow_.config.depth : 1); ++block)
        give_one(map, block, said);
    refuse_what_remains();
    for (const auto& [key, value] : slow_.kept)
      if (returns_)
        out_[key] = value.is_floating_point() ? value.to(type_) : value;
      else
        said.left.push_back(key);
    for (const auto& [name, value] : out_) said.written.push_back(name);
    for (const auto& [name, value] : slow_.decoder) said.left.push_back("decoder." + name);
    for (const auto& [name, value] : slow_.head) said.left.push_back("head." + name);
    return std::move(out_);
  }

 private:
  void give_one(const WeightMap& map, std::int64_t block, ExportedWeights& said) {
    const auto key = prefix_ + at_block(map.theirs.front(), block);
    std::vector<at::Tensor> parts;
    for (const auto& pattern : map.ours) {
      const auto found = slow_.encoder.find(at_block(pattern, block));
      if (found == slow_.encoder.end()) continue;
      given_.insert(found->first);
      parts.push_back(found->second.value);
    }
    if (!parts.empty()) {
      out_[key] = laid_out(parts.size() > 1 ? at::cat(parts) : parts.front(), map.layout).to(type_);
    } else if (map.always) {
      if (map.ours.front() != "embeddings.patch_embedding.bias")
        throw InputError(fmt::format("{}: models of {} have {}, and these weights have none. Export to another family.",
                                     file_.string(), family_.name, key));
      out_[key] = at::zeros({slow_.config.width}, type_);
      said.filled.push_back(key);
    }
  }

  void refuse_what_remains() const {
    std::vector<std::string> remain;
    for (const auto& [name, value] : slow_.encoder)
      if (!given_.contains(name)) remain.push_back(name);
    if (remain.empty()) return;
    std::vector<std::string> others;
    for (const auto* family : weight_families())
      if (has_place(*family, remain)) others.emplace_back(family->name);
    throw InputError(
        fmt::format("{}: models of {} ({}) have no place for {}. {}", file_.string(), family_.name, family_.meaning,
                    fmt::join(key_ranges(remain), ", "),
                    others.empty() ? "No family has." : fmt::format("These have: {}.", fmt::join(others, ", "))));
  }

  static bool has_place(const WeightFamily& family, const std::vector<std::string>& names) {
    return std::ranges::all_of(names, [&](const std::string& name) {
      return std::ranges::any_of(family.maps, [&](const WeightMap& map) {
        return std::ranges::find(map.ours, block_key(name).pattern) != map.ours.end();
      });
    });
  }

  const SlowWeights& slow_;
  const WeightFamily& family_;
  const bool returns_;
  std::string prefix_;
  at::ScalarType type_;
  std::filesystem::path file_;
  TensorMap out_;
  std::set<std::string> given_;
};

// One that lies there is left alone, unless it says the same.
void write_config(const WeightFamily& family, const SlowWeights& slow, const std::filesystem::path& out,
                  ExportedWeights& said) {
  if (!family.config_json) return;
  const auto file = out.parent_path() / "config.json";
  auto config = nlohmann::ordered_json::parse(family.config_json(slow.config));
  if (returns_companion(slow, family)) {
    config["architectures"] = {family.companion->model};
    config.update(nlohmann::ordered_json::parse(slow.metadata.at("kept.config")));
  }
  const auto text = config.dump(2) + "\n";
  if (std::filesystem::exists(file) && read_file(file) != text) {
    said.note += fmt::format("{}{} is there already and was left as it is. See that it fits.", said.note.empty() ? "" : " ", file.string());
    return;
  }
  write_durably(file, text);
  said.config = file;
}

}  // namespace

ExportedWeights export_weights(const ExportOptions& options) {
  const auto& family = weight_family(options.family);
  const auto adapted = read_adapted_weights(options.weights, options.heads);
  const auto slow = options.merge ? merged(adapted) : adapted.slow;
  ExportedWeights said;
  if (!options.merge && !adapted.adapters.empty())
    said.note = fmt::format("{} adapters are left out. Write them with --family peft, or add them to the weights with --merge.",
                            adapted.adapters.size());
  const auto tensors = Giving(slow, family, options).give(said);
  write_tensors(options.out, tensors, {{"format", "pt"}});
  write_config(family, slow, options.out, said);
  said.how_to_load = returns_companion(slow, family)
                         ? fmt::format("transformers.{}.from_pretrained(\"{}\")", family.companion->model,
                                       std::filesystem::absolute(options.out).parent_path().string())
                         : family.how_to_load(slow.config, options.out, returns_kept(slow, family) ? slow.kept : TensorMap());
  return said;
}

}  // namespace palimpsest
