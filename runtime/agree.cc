#include "runtime/agree.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "runtime/error.h"
#include "runtime/failure.h"

namespace palimpsest {
namespace {

Failure attempt(const std::function<void()>& act) {
  try {
    act();
    return {};
  } catch (const std::exception& error) {
    return failure_of(error);
  }
}

Failure of_rank(Communicator& world, int rank, const Failure& failure) {
  auto exit_code = at::full({1}, failure.exit_code, at::kLong);
  world.broadcast(exit_code, rank);
  const std::string text = text_of_rank(world, rank, failure.text);
  return {static_cast<int>(exit_code.item<std::int64_t>()), rank == 0 ? text : fmt::format("rank {}: {}", rank, text)};
}

[[noreturn]] void throw_again(const Failure& failure) {
  if (failure.exit_code == 2) throw InputError(failure.text);
  if (failure.exit_code == 3) throw Interrupted(failure.text);
  throw Error(failure.text);
}

// The line of each text in which they part.
std::pair<std::string, std::string> differing_lines(const std::string& a, const std::string& b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  const auto line_around = [](const std::string& text, auto place) {
    const auto at = static_cast<std::size_t>(place - text.begin());
    const auto begin = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
    return text.substr(begin, text.find('\n', begin) - begin);
  };
  return {line_around(a, in_a), line_around(b, in_b)};
}

}  // namespace

void agree(Communicator& world, const std::function<void()>& act) {
  if (world.world_size() == 1) return act();
  const Failure mine = attempt(act);
  auto first = at::full({1}, mine.exit_code ? world.world_size() - world.rank() : 0, at::kFloat);   // largest on the first rank that failed
  world.all_reduce(first, Reduction::kMax);
  const int distance = static_cast<int>(first.item<float>());
  if (distance > 0) throw_again(of_rank(world, world.world_size() - distance, mine));
}

std::string text_of_rank(Communicator& world, int rank, const std::string& text) {
  auto size = at::full({1}, std::ssize(text), at::kLong);
  world.broadcast(size, rank);
  auto letters = at::empty({size.item<std::int64_t>()}, at::kByte);
  if (world.rank() == rank) std::memcpy(letters.data_ptr(), text.data(), text.size());
  world.broadcast(letters, rank);
  return {static_cast<const char*>(letters.data_ptr()), static_cast<std::size_t>(letters.numel())};
}

std::vector<double> sum_over_ranks(Communicator& world, const std::vector<double>& numbers) {
  const auto n = std::ssize(numbers);
  auto all = at::empty({world.world_size() * n}, at::kDouble);
  world.all_gather(all, at::tensor(numbers, at::kDouble));
  std::vector<double> sums(numbers.size());
  for (int rank = 0; rank < world.world_size(); ++rank)
    for (std::int64_t i = 0; i < n; ++i) sums[static_cast<std::size_t>(i)] += all.const_data_ptr<double>()[rank * n + i];
  return sums;
}

void refuse_disagreement(Communicator& world, const std::vector<std::pair<std::string, std::string>>& facts) {
  for (const auto& [name, mine] : facts) {
    const std::string first = text_of_rank(world, 0, mine);
    agree(world, [&] {
      if (mine == first) return;
      const auto [there, here] = differing_lines(first, mine);
      throw InputError(fmt::format("its {} is not that of rank 0: \"{}\" here, \"{}\" there. Start all ranks from the same files and the same installation.", name, here, there));
    });
  }
}

}  // namespace palimpsest
