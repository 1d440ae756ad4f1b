#include "models/training_state.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kSlices = "slices";

bool decays(const std::string& name, const std::vector<std::int64_t>& shape) {
  return shape.size() >= 2 && name.find("position") == std::string::npos;
}

std::string file_name(int rank, int ranks) { return fmt::format("state-{:05}-of-{:05}.safetensors", rank, ranks); }

std::vector<fs::path> state_files(const fs::path& checkpoint) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(checkpoint, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().filename().string().starts_with("state-")) files.push_back(entry->path());
  std::ranges::sort(files);
  if (files.empty())
    throw InputError(
        fmt::format("{}: no state of a training run is there. A checkpoint lies where all ranks can read it, and this "
                    "program writes state-*.safetensors into it.",
                    checkpoint.string()));
  return files;
}

// One file's stretch of a parameter.
struct Stretch {
  std::vector<std::int64_t> shape;
  std::int64_t begin = 0;
};

std::map<std::string, Stretch> stretches_of(const SafetensorsFile& file, const fs::path& path) {
  std::map<std::string, Stretch> found;
  try {
    const json slices = json::parse(file.metadata().at(kSlices));
    for (const auto& [name, slice] : slices.items())
      found[name] = {slice.at("shape").get<std::vector<std::int64_t>>(), slice.at("begin").get<std::int64_t>()};
  } catch (const std::exception&) {
    throw InputError(path.string() +
                     ": it does not say what slices it holds. Remove this checkpoint to go on from the one before.");
  }
  return found;
}

// The stretches of a checkpoint's files, one file at a time.
void for_each_stretch(
    const fs::path& checkpoint,
    const std::function<void(const SafetensorsFile&, const std::string&, const Stretch&, const fs::path&)>& act) {
  for (const fs::path& path : state_files(checkpoint)) {
    const SafetensorsFile file(path);
    for (const auto& [name, stretch] : stretches_of(file, path)) act(file, name, stretch, path);
  }
}

// Copies what two stretches of one parameter share. Returns how many elements.
std::int64_t copy_overlap(const at::Tensor& from, std::int64_t from_begin, at::Tensor to, std::int64_t to_begin) {
  const std::int64_t begin = std::max(from_begin, to_begin),
                     end = std::min(from_begin + from.numel(), to_begin + to.numel());
  if (begin >= end) return 0;
  to.slice(0, begin - to_begin, end - to_begin).copy_(from.slice(0, begin - from_begin, end - from_begin));
  return end - begin;
}

[[noreturn]] void refuse(const fs::path& file, const std::string& name) {
  throw InputError(
      fmt::format("{}: the weight {} is not that of the model that is being trained. Give another folder to --out.",
                  file.string(), name));
}

}  // namespace

TrainingState::TrainingState(const std::vector<ShardingUnit>& units, ShardedWeights& weights, const ShardGroups& groups,
                             AdamW::Options options)
    : units_(units), weights_(weights), groups_(groups), optimizer_({}, std::move(options)) {
  for (std::size_t unit = 0; unit < units.size(); ++unit) {
    const ParameterRow& layout = weights.layout(unit);
    const std::int64_t begin = groups.shard->rank() * layout.part_size();
    for (const auto& slice : layout.slices(begin, begin + layout.part_size())) {
      places_.push_back({unit, slice});
      const std::int64_t in_share = slice.in_row - begin;
      optimizer_.slots().push_back({.value = weights.share(unit).slice(0, in_share, in_share + slice.length),
                                    .own = false,
                                    .decay = decays(units[unit].names[slice.parameter], layout.shape(slice.parameter)),
                                    .first = {},
                                    .second = {}});
    }
  }
}

void TrainingState::prepare(double learning_rate) {
  optimizer_.options().learning_rate = {learning_rate};
  optimizer_.prepare();
}

void TrainingState::apply(ShardedGradients& gradients) {
  auto& slots = optimizer_.slots();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const auto& [unit, slice] = places_[i];
    if (!gradients.has_gradient(unit, slice.parameter)) continue;
    const std::int64_t in_share = slice.in_row - groups_.shard->rank() * weights_.layout(unit).part_size();
    slots[i].value.mutable_grad() = gradients.share(unit).slice(0, in_share, in_share + slice.length);
  }
  optimizer_.apply();
  optimizer_.zero_grad();
}

void TrainingState::count() {
  optimizer_.count();
  ++step;
}

void TrainingState::Snapshot::copy() {
  for (auto& [name, tensor] : tensors) tensor = tensor.to(at::kCPU, /*non_blocking=*/false, /*copy=*/true);
}

TrainingState::Snapshot TrainingState::snapshot(const std::map<std::string, std::string>& facts) const {
  Snapshot out{file_name(groups_.world.rank(), groups_.world.world_size()), {}, facts};
  json slices = json::object();
  const int replica = groups_.replica->rank(), replicas = groups_.replica->world_size();
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const auto& [unit, slice] = places_[i];
    const auto& slot = optimizer_.slots()[i];
    // Those that hold the same share write a part of it each.
    const std::int64_t begin = replica * slice.length / replicas, end = (replica + 1) * slice.length / replicas;
    if (begin == end) continue;
    const std::string& name = units_[unit].names[slice.parameter];
    slices[name] = {{"shape", weights_.layout(unit).shape(slice.parameter)}, {"begin", slice.in_parameter + begin}};
    out.tensors["value." + name] = slot.value.slice(0, begin, end);
    if (!slot.first.defined()) continue;  // never had a gradient
    out.tensors["first." + name] = slot.first.slice(0, begin, end);
    out.tensors["second." + name] = slot.second.slice(0, begin, end);
  }
  out.metadata[kSlices] = slices.dump();
  return out;
}

void TrainingState::read(const fs::path& folder, std::int64_t at_step) {
  std::map<std::string, std::size_t> slot_of;
  for (std::size_t i = 0; i < places_.size(); ++i)
    slot_of[units_[places_[i].unit].names[places_[i].slice.parameter]] = i;
  std::vector<std::int64_t> taken(places_.size());
  auto& slots = optimizer_.slots();
  for_each_stretch(
      folder, [&](const SafetensorsFile& file, const std::string& name, const Stretch& stretch, const fs::path& path) {
        const auto found = slot_of.find(name);
        if (found == slot_of.end()) return;  // another rank's
        const auto& [unit, slice] = places_[found->second];
        if (weights_.layout(unit).shape(slice.parameter) != stretch.shape) refuse(path, name);
        AdamW::Slot& slot = slots[found->second];
        taken[found->second] +=
            copy_overlap(read_tensor(file, "value." + name), stretch.begin, slot.value, slice.in_parameter);
        for (const auto& [kind, moment] : {std::pair{"first.", &slot.first}, std::pair{"second.", &slot.second}}) {
          if (!file.tensors().contains(kind + name)) continue;
          if (!moment->defined()) *moment = at::zeros_like(slot.value);
          copy_overlap(read_tensor(file, kind + name), stretch.begin, *moment, slice.in_parameter);
        }
      });
  for (std::size_t i = 0; i < places_.size(); ++i)
    if (taken[i] != places_[i].slice.length) refuse(folder, units_[places_[i].unit].names[places_[i].slice.parameter]);
  losses = read_file(folder / "losses.csv");
  step = at_step;
  optimizer_.set_steps(at_step);
  weights_.spread();
}

std::map<std::string, std::string> recorded_facts(const fs::path& checkpoint) {
  auto facts = SafetensorsFile(state_files(checkpoint).front()).metadata();
  facts.erase(kSlices);
  return facts;
}

TensorMap checkpointed_weights(const fs::path& checkpoint) {
  TensorMap weights;
  for_each_stretch(checkpoint,
                   [&](const SafetensorsFile& file, const std::string& name, const Stretch& stretch, const fs::path&) {
                     at::Tensor& whole = weights[name];
                     if (!whole.defined()) whole = at::zeros(stretch.shape, at::kFloat);
                     copy_overlap(read_tensor(file, "value." + name), stretch.begin, whole.view({-1}), 0);
                   });
  return weights;
}

}  // namespace palimpsest
