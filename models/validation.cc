#include "models/validation.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "runtime/tensor_file.h"

namespace palimpsest {
namespace {

using Numbers = std::map<std::string, double>;

void add(Numbers& sums, const Numbers& more) {
  for (const auto& [name, value] : more) sums[name] += value;
}

Numbers names_alone(Numbers numbers) {
  for (auto& [name, value] : numbers) value = 0;
  return numbers;
}

// The stream of the `index`-th image, whatever the seed of training.
RandomStream stream_of(std::int64_t index) { return RandomStream(purpose("validation")).child(static_cast<std::uint64_t>(index)); }

at::Tensor crops(const HeldImages& squares, const CropRange& range, std::string_view which) {
  std::vector<Image> cuts;
  for (const Image& image : squares.images) {
    const auto stream = stream_of(std::ssize(cuts)).child(purpose(which));
    cuts.push_back(cut(image, draw_crop(image.width, image.height, range, stream), image.width));
  }
  return to_tensor(cuts);
}

Numbers over_ranks(const Numbers& shares, Communicator& world) {
  if (world.world_size() == 1) return shares;
  std::vector<float> values;
  for (const auto& [name, share] : shares) values.push_back(static_cast<float>(share));
  auto sums = at::tensor(values);
  world.all_reduce(sums, Reduction::kSum);
  Numbers out = shares;
  std::int64_t i = 0;
  for (auto& [name, value] : out) value = sums[i++].item<double>();
  return out;
}

}  // namespace

Validation::Validation(const HeldImages& squares, std::int64_t chunk, Communicator& world, Crew& crew, const std::optional<CropRange>& pairs, at::Device device)
    : images_(pairs ? crops(squares, *pairs, "crop") : to_tensor(squares.images)),
      second_(pairs ? crops(squares, *pairs, "second crop") : at::Tensor()),
      chunk_(chunk),
      world_(world),
      crew_(crew),
      device_(device) {}

double Validation::loss(const Objective& objective) const {
  return summed([&](const Batch& batch) { return Numbers{{"loss", objective.loss(batch).item<double>()}}; }).at("loss");
}

Numbers Validation::baselines(const Objective& objective) const {
  return summed([&](const Batch& batch) { return objective.baselines(batch); });
}

Batch Validation::first(std::int64_t count) const { return range(0, std::min(count, images_.size(0))); }

Batch Validation::range(std::int64_t first, std::int64_t end) const {
  Batch batch{.images = images_.slice(0, first, end).to(device_), .second = {}, .streams = {}, .global_size = images_.size(0), .training = false};
  if (second_.defined()) batch.second = second_.slice(0, first, end).to(device_);
  for (std::int64_t i = first; i < end; ++i) batch.streams.push_back(stream_of(i));
  return batch;
}

Numbers Validation::summed(const std::function<Numbers(const Batch&)>& measure) const {
  const std::int64_t V = images_.size(0), parts = world_.world_size() * crew_.size(), unit = second_.defined() ? chunk_ : 1;
  const auto rounded_up = [](std::int64_t n, std::int64_t by) { return (n + by - 1) / by; };
  const std::int64_t units = rounded_up(V, unit);
  const std::int64_t passes = rounded_up(rounded_up(units, parts) * unit, chunk_);   // the same on every rank: blocks may have to be gathered by all
  std::vector<Numbers> of_thread(static_cast<std::size_t>(crew_.size()));
  crew_.each([&](int thread) {
    const c10::NoGradGuard no_gradient;
    const std::int64_t part = world_.rank() * crew_.size() + thread, end = std::min(V, (part + 1) * units / parts * unit);
    for (std::int64_t pass = 0, at = part * units / parts * unit; pass < passes; ++pass, at += chunk_)
      add(of_thread[thread], at < end ? measure(range(at, std::min(end, at + chunk_))) : names_alone(measure(first(1))));
  });
  Numbers sums;
  for (const auto& numbers : of_thread) add(sums, numbers);
  return over_ranks(sums, world_);
}

}  // namespace palimpsest
