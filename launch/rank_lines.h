#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace palimpsest {

/// How the one that starts ranks marks what each of them writes.
enum class Tags {
  kMpirun,  // "[1,3]<stderr>: " wherever a rank's text begins
  kSrun,    // "3: " at the beginning of each line
};

/// Makes one readable stream of what all ranks write: rank 0's text as it is (it draws progress bars), another's line
/// as "rank 3: ...", and a line that another rank wrote before not again: where all ranks fail for one reason it is
/// told once.
class RankLines {
 public:
  explicit RankLines(Tags tags) : tags_(tags) {}
  std::string feed(std::string_view text);  // what can be shown now
  std::string rest();                       // what was held back, at the end
  /// The rank that mpirun or srun itself said was lost, the first of them; none where it named none.
  std::optional<int> lost() const { return lost_; }

 private:
  void take(std::string_view text);  // of the rank that speaks
  void show(int rank, const std::string& text);
  bool told_before(int rank, const std::string& line);
  void heed_starter(std::string_view text);

  const Tags tags_;
  std::string held_;  // may be the beginning of a tag
  int speaking_ = kNobody;
  bool at_line_start_ = true;              // of what comes in
  std::map<int, std::string> unfinished_;  // lines of ranks other than 0
  std::string said_by_starter_;            // of its line that is not yet whole
  std::optional<int> lost_;
  std::deque<std::pair<int, std::string>> told_;
  std::string shown_;
  int shown_rank_ = kNobody;  // whose text was shown last
  bool shown_line_ended_ = true;

  static constexpr int kNobody = -1;  // mpirun itself
};

}  // namespace palimpsest
