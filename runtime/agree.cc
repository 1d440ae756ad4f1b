#include "runtime/agree.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstring>
#include <string>

#include "runtime/error.h"

namespace palimpsest {
namespace {

struct Failure {
  int exit_code = 0;   // 0: none
  std::string text;
};

Failure attempt(const std::function<void()>& act) {
  try {
    act();
    return {};
  } catch (const Error& error) {
    return {error.exit_code(), error.what()};
  } catch (const std::exception& error) {
    return {1, error.what()};
  }
}

Failure failure_of(Communicator& world, int rank, Failure failure) {
  auto facts = at::tensor(at::ArrayRef<std::int64_t>{failure.exit_code, std::ssize(failure.text)}, at::kLong);
  world.broadcast(facts, rank);
  auto letters = at::empty({facts[1].item<std::int64_t>()}, at::kByte);
  if (world.rank() == rank) std::memcpy(letters.data_ptr(), failure.text.data(), failure.text.size());
  world.broadcast(letters, rank);
  const std::string text(static_cast<const char*>(letters.data_ptr()), static_cast<std::size_t>(letters.numel()));
  return {static_cast<int>(facts[0].item<std::int64_t>()), rank == 0 ? text : fmt::format("rank {}: {}", rank, text)};
}

[[noreturn]] void throw_again(const Failure& failure) {
  if (failure.exit_code == 2) throw InputError(failure.text);
  if (failure.exit_code == 3) throw Interrupted(failure.text);
  throw Error(failure.text);
}

}  // namespace

void agree(Communicator& world, const std::function<void()>& act) {
  if (world.world_size() == 1) return act();
  const Failure mine = attempt(act);
  auto first = at::full({1}, mine.exit_code ? world.world_size() - world.rank() : 0, at::kFloat);   // largest on the first rank that failed
  world.all_reduce(first, Reduction::kMax);
  const int distance = static_cast<int>(first.item<float>());
  if (distance > 0) throw_again(failure_of(world, world.world_size() - distance, mine));
}

}  // namespace palimpsest
