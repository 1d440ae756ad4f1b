#include "models/first_not_finite.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <limits>

#include "runtime/agree.h"

namespace palimpsest {
namespace {

constexpr double kNowhere = std::numeric_limits<std::int32_t>::max();

bool finite(const at::Tensor& x) { return x.isfinite().all().item<bool>(); }

struct Finding {
  double place = kNowhere;  // in the order of computing
  std::string what;
};

/// Looks at what goes into each block and what comes out.
class Watch : public BlockRunner {
 public:
  explicit Watch(BlockRunner& inner) : inner_(inner) {}

  at::Tensor run(const BlockId& block, const at::Tensor& x, const BlockFunction& compute) override {
    note(x, fmt::format("what goes into {} block {}", block.network, block.layer));
    const auto y = inner_.run(block, x, compute);
    note(y, fmt::format("the output of {} block {}", block.network, block.layer));
    return y;
  }
  void note(const at::Tensor& x, const std::string& what) {
    if (found_.place == kNowhere && !finite(x)) found_ = {static_cast<double>(seen_), what};
    ++seen_;
  }
  const Finding& found() const { return found_; }

 private:
  BlockRunner& inner_;
  std::int64_t seen_ = 0;
  Finding found_;
};

Finding in_forward(ShardedTraining& training, const Objective& objective, const Batch& batch) {
  const c10::NoGradGuard no_gradient;
  Watch watch(training.runner());
  const ShardedTraining::Evaluation evaluation(training, &watch);
  watch.note(objective.loss(batch), "the loss, though every block's output is finite");
  return watch.found();
}

// The earliest of all ranks' findings.
std::string earliest(const Finding& mine, Communicator& world) {
  std::vector<double> places(static_cast<std::size_t>(world.world_size()));
  places[static_cast<std::size_t>(world.rank())] = mine.place;
  places = sum_over_ranks(world, places);
  const auto first = std::ranges::min_element(places);
  if (*first == kNowhere) return {};
  const int rank = static_cast<int>(first - places.begin());
  return fmt::format("{} (rank {})", text_of_rank(world, rank, mine.what), rank);
}

}  // namespace

std::string first_not_finite(ShardedTraining& training, const Objective& objective, const Batch& batch,
                             Communicator& world) {
  if (const auto found = earliest(in_forward(training, objective, batch), world); !found.empty()) return found;
  const std::string parameter = training.gradient_not_finite();
  const auto found = earliest({parameter.empty() ? kNowhere : 0.0, "the gradient of " + parameter}, world);
  return found.empty() ? "the norm of the gradient" : found;
}

}  // namespace palimpsest
