#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/communicator.h"

namespace palimpsest {

/// Does on every rank what may fail on one alone (a file that only it cannot read), then compares: where any has thrown, all throw the
/// error of the first such rank, so that none waits for another that has left. Every rank calls it.
void agree(Communicator&, const std::function<void()>& act);

/// Each number added up over the ranks, in rank order, in double precision: the same bits on all. Every rank calls it.
std::vector<double> sum_over_ranks(Communicator&, const std::vector<double>& numbers);

/// What `rank` has, on every rank.
std::string text_of_rank(Communicator&, int rank, const std::string& text);

/// Throws InputError on every rank where one has another text than rank 0, and says which and where they part. `facts`: name and text, in one order.
void refuse_disagreement(Communicator&, const std::vector<std::pair<std::string, std::string>>& facts);

}  // namespace palimpsest
