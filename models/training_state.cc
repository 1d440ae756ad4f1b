#include "models/training_state.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/tensor_file.h"

namespace palimpsest {
namespace {

bool decays(const std::string& name, const at::Tensor& value) { return value.dim() >= 2 && name.find("position") == std::string::npos; }

std::vector<AdamW::Slot> slots_of(SlowWeights& weights, std::vector<std::string>& names) {
  std::vector<AdamW::Slot> slots;
  const auto add = [&](const std::string& prefix, Parameters& part) {
    for (auto& [name, parameter] : part) {
      slots.push_back({.value = parameter.value, .own = false, .decay = decays(name, parameter.value), .first = {}, .second = {}});
      names.push_back(prefix + name);
    }
  };
  add("encoder.", weights.encoder);
  add("decoder.", weights.decoder);
  add("head.", weights.head);
  return slots;
}

void take_over(Parameters& own, const Parameters& read, const std::filesystem::path& file) {
  for (auto& [name, parameter] : own) {
    const auto found = read.find(name);
    if (found == read.end() || found->second.value.sizes() != parameter.value.sizes())
      throw InputError(fmt::format("{}: the weight {} is not that of the model that is being trained. Give another folder to --out.", file.string(), name));
    parameter.value.detach().copy_(found->second.value);
  }
}

}  // namespace

TrainingState::TrainingState(SlowWeights& weights, AdamW::Options options)
    : weights_(weights), optimizer_(slots_of(weights, names_), std::move(options)) {}

void TrainingState::write(const std::filesystem::path& folder, const std::map<std::string, std::string>& metadata) const {
  SlowWeights weights = weights_;
  weights.metadata = metadata;
  write_slow_weights(folder / "weights.safetensors", weights);
  TensorMap moments;
  const auto& slots = optimizer_.slots();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!slots[i].first.defined()) continue;   // never had a gradient
    moments["first." + names_[i]] = slots[i].first;
    moments["second." + names_[i]] = slots[i].second;
  }
  write_tensors(folder / "optimizer.safetensors", moments, {});
  write_durably(folder / "losses.csv", losses);
}

void TrainingState::read(const std::filesystem::path& folder, std::int64_t at_step) {
  const auto file = folder / "weights.safetensors";
  const SlowWeights weights = read_slow_weights(file);
  take_over(weights_.encoder, weights.encoder, file);
  take_over(weights_.decoder, weights.decoder, file);
  take_over(weights_.head, weights.head, file);
  TensorMap moments = read_tensors(folder / "optimizer.safetensors");
  auto& slots = optimizer_.slots();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    slots[i].first = moments["first." + names_[i]];
    slots[i].second = moments["second." + names_[i]];
  }
  losses = read_file(folder / "losses.csv");
  step = at_step;
  optimizer_.set_steps(at_step);
}

void TrainingState::broadcast(Communicator& world, int root) {
  auto step_now = at::full({1}, step, at::kLong);
  world.broadcast(step_now, root);
  step = step_now.item<std::int64_t>();
  optimizer_.set_steps(step);
  for (auto& slot : optimizer_.slots()) {
    auto value = slot.value.detach();   // shares its memory
    world.broadcast(value, root);
    auto has_moments = at::full({1}, slot.first.defined(), at::kByte);
    world.broadcast(has_moments, root);
    if (has_moments.item<std::uint8_t>() == 0) continue;
    for (at::Tensor* moment : {&slot.first, &slot.second}) {
      if (!moment->defined()) *moment = at::zeros_like(value);
      world.broadcast(*moment, root);
    }
  }
}

}  // namespace palimpsest
