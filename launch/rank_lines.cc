#include "launch/rank_lines.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

namespace palimpsest {
namespace {

constexpr std::size_t kRemembered = 64;  // lines

struct Tag {
  std::size_t length = 0;  // 0: there is none
  int rank = 0;
  bool cut_off = false;  // the text ends within what may be one
};

std::size_t digits(std::string_view text, std::size_t from) {
  while (from < text.size() && std::isdigit(static_cast<unsigned char>(text[from]))) ++from;
  return from;
}

// Steps over `word`; false where something else is there, nothing where the text ends before.
std::optional<bool> step_over(std::string_view text, std::size_t& at, std::string_view word) {
  for (char c : word) {
    if (at == text.size()) return std::nullopt;
    if (text[at] != c) return false;
    ++at;
  }
  return true;
}

// "[1,3]<stderr>: ", the blank not in all versions.
Tag mpirun_tag(std::string_view text) {
  std::size_t at = 0;
  if (const auto there = step_over(text, at, "["); there != true) return {};
  std::size_t end = digits(text, at);
  if (end == text.size()) return {0, 0, true};
  if (end == at) return {};
  at = end;
  if (const auto there = step_over(text, at, ","); there != true) return {};
  end = digits(text, at);
  if (end == text.size()) return {0, 0, true};
  if (end == at) return {};
  const int rank = std::stoi(std::string(text.substr(at, end - at)));
  at = end;
  if (const auto there = step_over(text, at, "]<std"); there != true) return {0, 0, !there};
  std::size_t err = at, out = at;
  const auto is_err = step_over(text, err, "err>:"), is_out = step_over(text, out, "out>:");
  if (is_err != true && is_out != true) return {0, 0, !is_err || !is_out};
  at = is_err == true ? err : out;
  if (at == text.size()) return {at, rank, true};
  return {at + (text[at] == ' ' ? 1 : 0), rank, false};
}

// What mpirun explains stands between two of them.
bool is_rule(const std::string& line) { return line.size() > 40 && line.find_first_not_of('-') == line.size() - 1; }

// "3: ", numbers padded with blanks.
Tag srun_tag(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && text[at] == ' ') ++at;
  const std::size_t end = digits(text, at);
  if (end == text.size()) return {0, 0, true};
  if (end == at) return {};
  const int rank = std::stoi(std::string(text.substr(at, end - at)));
  at = end;
  const auto there = step_over(text, at, ": ");
  return there == true ? Tag{at, rank, false} : Tag{0, 0, !there};
}

}  // namespace

std::string RankLines::feed(std::string_view text) {
  const std::string all = std::exchange(held_, {}) + std::string(text);
  std::string_view left = all;
  while (!left.empty()) {
    const bool may_be_tag = tags_ == Tags::kMpirun ? left[0] == '[' : at_line_start_;
    const Tag tag = may_be_tag ? (tags_ == Tags::kMpirun ? mpirun_tag(left) : srun_tag(left)) : Tag{};
    if (tag.cut_off) {
      held_ = left;
      break;
    }
    if (tag.length > 0) {
      speaking_ = tag.rank;
      left.remove_prefix(tag.length);
      at_line_start_ = false;
      continue;
    }
    // Text up to where another tag may begin.
    std::size_t end = tags_ == Tags::kMpirun ? left.find('[', 1) : left.find('\n');
    if (const auto line = left.find('\n'); line != std::string_view::npos && line < end)
      end = line + 1;
    else if (tags_ == Tags::kSrun && end != std::string_view::npos)
      ++end;
    const std::string_view piece = left.substr(0, end);
    if (at_line_start_) speaking_ = kNobody;
    take(piece);
    at_line_start_ = piece.back() == '\n';
    left.remove_prefix(piece.size());
  }
  return std::exchange(shown_, {});
}

std::string RankLines::rest() {
  if (!held_.empty()) take(std::exchange(held_, {}));
  for (auto& [rank, line] : unfinished_)
    if (!line.empty()) show(rank, line + "\n");
  unfinished_.clear();
  show(kNobody, std::exchange(explanation_, {}));
  return std::exchange(shown_, {});
}

void RankLines::take(std::string_view text) {
  if (speaking_ == 0) {
    if (!text.ends_with('\n') || !told_before(0, std::string(text))) show(0, std::string(text));
    return;
  }
  std::string& line = unfinished_[speaking_];
  line += text;
  if (!line.ends_with('\n')) return;
  const std::string whole = std::exchange(line, {});
  if (speaking_ == kNobody) return take_line(whole);
  if (!told_before(speaking_, whole)) show(speaking_, whole);
}

void RankLines::take_line(const std::string& line) {
  const bool begins = explanation_.empty();
  if (begins && !is_rule(line)) {
    if (!loss_) loss_ = rank_loss_in(line);
    return show(kNobody, line);
  }
  explanation_ += line;
  if (!begins && is_rule(line)) take_explanation(std::exchange(explanation_, {}));
}

// Of a loss launch tells itself, in a line.
void RankLines::take_explanation(const std::string& text) {
  const auto loss = rank_loss_in(text);
  if (!loss) return show(kNobody, text);
  if (!loss_) loss_ = loss;
}

void RankLines::show(int rank, const std::string& text) {
  if (text.empty()) return;
  if (!shown_line_ended_ && rank != shown_rank_) shown_ += "\n", shown_line_ended_ = true;
  if (rank > 0) shown_ += fmt::format("rank {}: ", rank);
  shown_ += text;
  shown_rank_ = rank;
  shown_line_ended_ = text.back() == '\n';
}

bool RankLines::told_before(int rank, const std::string& line) {
  if (std::ranges::any_of(told_, [&](const auto& one) { return one.first != rank && one.second == line; })) return true;
  told_.emplace_back(rank, line);
  if (told_.size() > kRemembered) told_.pop_front();
  return false;
}

}  // namespace palimpsest
