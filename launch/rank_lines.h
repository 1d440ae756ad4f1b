#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "launch/rank_loss.h"

namespace palimpsest {

/// How the one that starts ranks marks what each of them writes.
enum class Tags {
  kMpirun,  // "[1,3]<stderr>: " wherever a rank's text begins
  kSrun,    // "3: " at the beginning of each line
};

/// Makes one readable stream of what all ranks write: rank 0's text as it is (it draws progress bars), another's line
/// as "rank 3: ...", and a line that another rank wrote before not again: where all ranks fail for one reason it is
/// told once. What mpirun explains of a rank that was lost is kept for `loss`.
class RankLines {
 public:
  explicit RankLines(Tags tags) : tags_(tags) {}
  std::string feed(std::string_view text);  // what can be shown now
  std::string rest();                       // what was held back, at the end
  const std::optional<RankLoss>& loss() const { return loss_; }   // the first that was told of

 private:
  void take(std::string_view text);  // of the rank that speaks
  void take_line(const std::string& line);        // of mpirun's or srun's own
  void take_explanation(const std::string& text);
  void show(int rank, const std::string& text);
  bool told_before(int rank, const std::string& line);

  const Tags tags_;
  std::string held_;  // may be the beginning of a tag
  int speaking_ = kNobody;
  bool at_line_start_ = true;              // of what comes in
  std::map<int, std::string> unfinished_;  // lines of all but rank 0
  std::string explanation_;                // of mpirun's, between two rules
  std::optional<RankLoss> loss_;
  std::deque<std::pair<int, std::string>> told_;
  std::string shown_;
  int shown_rank_ = kNobody;  // whose text was shown last
  bool shown_line_ended_ = true;

  static constexpr int kNobody = -1;  // mpirun itself
};

}  // namespace palimpsest
