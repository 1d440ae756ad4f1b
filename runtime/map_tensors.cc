#include "runtime/map_tensors.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace palimpsest::fused {
namespace {

float* place_of_run(at::Tensor& tensor, bool own, std::int64_t run) {
  return tensor.mutable_data_ptr<float>() + (own ? run * (tensor.numel() / tensor.size(0)) : 0);
}

}  // namespace

bool is_low_rank(const LinearMap& map) {
  return !map.adapter || (map.adapter->a.defined() && !map.adapter->gain.defined());
}

void collect(const LinearMap& map, std::vector<Parameter>& parameters) {
  parameters.push_back(map.weight);
  if (map.bias.value.defined()) parameters.push_back(map.bias);
  if (is_low_rank(map) && map.adapter)
    parameters.insert(parameters.end(), {{map.adapter->a, true}, {map.adapter->b, true}});
}

void collect(const Norm& norm, std::vector<Parameter>& parameters) {
  parameters.insert(parameters.end(), {norm.weight, norm.bias});
}

std::vector<at::Tensor> values_of(const std::vector<Parameter>& parameters) {
  std::vector<at::Tensor> out;
  for (const auto& parameter : parameters) out.push_back(parameter.value);
  return out;
}

bool any_own(const std::vector<Parameter>& parameters) { return std::ranges::any_of(parameters, &Parameter::own); }

bool any_requires_grad(const std::vector<Parameter>& parameters) {
  return std::ranges::any_of(parameters, [](const Parameter& p) { return p.value.requires_grad(); });
}

bool all_plain(const std::vector<Parameter>& parameters) {
  return std::ranges::all_of(parameters, [](const Parameter& p) {
    return p.value.device().is_cpu() && p.value.scalar_type() == at::kFloat && p.value.is_contiguous();
  });
}

Gradients gradients_for(const std::vector<Parameter>& parameters, std::int64_t runs) {
  Gradients out;
  out.zeroed =
      runs > 1 && std::ranges::any_of(parameters, [](const Parameter& p) { return !p.own && p.value.requires_grad(); });
  for (const auto& [value, own] : parameters)
    out.tensors.push_back(!value.requires_grad() ? at::Tensor()
                          : out.zeroed           ? at::zeros_like(value)
                                                 : at::empty_like(value));
  return out;
}

const float* RunReader::value(const Parameter& parameter) const {
  const auto& tensor = parameter.value;
  if (!tensor.defined()) return nullptr;
  return tensor.const_data_ptr<float>() + (parameter.own ? run_ * (tensor.numel() / tensor.size(0)) : 0);
}

float* RunReader::gradient(bool own) {
  if (!gradients_) return nullptr;
  auto& tensor = gradients_->tensors[next_++];
  return tensor.defined() ? place_of_run(tensor, own, run_) : nullptr;
}

MapPart RunReader::part(const LinearMap& map) {
  MapPart part;
  part.out = map.weight.value.size(-2);
  part.weight = value(map.weight);
  part.bias = value(map.bias);
  part.d_weight = gradient(map.weight.own);
  if (map.bias.value.defined()) part.d_bias = gradient(map.bias.own);
  if (!map.adapter) return part;
  const auto& adapter = *map.adapter;
  part.rank = adapter.a.size(1);
  part.a = value({adapter.a, true});
  part.b = value({adapter.b, true});
  part.scale = adapter.scale.const_data_ptr<float>()[run_];
  part.d_a = gradient(true);
  part.d_b = gradient(true);
  return part;
}

MapView RunReader::map(const std::vector<LinearMap>& maps) {
  MapView view;
  view.in = maps.front().weight.value.size(-1);
  for (const auto& map : maps) view.parts.push_back(part(map));
  return view;
}

NormView RunReader::norm(const Norm& norm) {
  const auto width = norm.weight.value.size(-1);
  NormView view{value(norm.weight), value(norm.bias), gradient(norm.weight.own), gradient(norm.bias.own)};
  if (!gradients_) return view;
  if (!view.d_weight) view.d_weight = scratch_.take(width);
  if (!view.d_bias) view.d_bias = scratch_.take(width);
  return view;
}

}  // namespace palimpsest::fused
