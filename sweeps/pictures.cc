#include "sweeps/pictures.h"

#include <algorithm>
#include <map>

#include "sweeps/condition.h"
#include "sweeps/html.h"

namespace palimpsest {
namespace {

constexpr std::size_t kMostBytes = 2'000'000, kMostPictures = 18;  // keeps a report below 5 MB

bool is_picture(const Attachment& attachment) {
  return attachment.media_type == "image/png" || attachment.media_type == "image/jpeg";
}

std::string title(const Rows& rows, const LedgerRun& run, const Attachment& attachment) {
  const std::string condition = plain(condition_of(run.spec.settings, rows.axes));
  return (condition.empty() ? "" : condition + ", ") + "image set " + std::to_string(run.spec.image_set) + ", seed " +
         std::to_string(run.spec.seed) + ": " + attachment.name;
}

std::map<Condition, std::vector<const LedgerRun*>> by_condition(const Rows& rows) {
  std::map<Condition, std::vector<const LedgerRun*>> runs;
  for (const LedgerRun& run : rows.runs)
    if (run.state == RunState::kDone) runs[condition_of(run.spec.settings, rows.axes)].push_back(&run);
  for (auto& [condition, members] : runs)
    std::sort(members.begin(), members.end(), [](const LedgerRun* a, const LedgerRun* b) {
      return std::pair(a->spec.image_set, a->spec.seed) < std::pair(b->spec.image_set, b->spec.seed);
    });
  return runs;
}

}  // namespace

Pictures pictures_of(const ReportSource& source) {
  Pictures out;
  std::size_t bytes = 0;
  for (const auto& [condition, runs] : by_condition(source.rows))
    for (const LedgerRun* run : runs) {
      std::int64_t found = 0;
      for (const Attachment& attachment : source.attachments(run->spec.id)) {
        if (!is_picture(attachment)) continue;
        ++found;
        if (out.shown.size() < kMostPictures && bytes + attachment.bytes.size() <= kMostBytes) {
          bytes += attachment.bytes.size();
          out.shown.push_back(
              {title(source.rows, *run, attachment), data_address(attachment.media_type, attachment.bytes)});
        } else {
          ++out.left_out;
        }
      }
      if (found > 0) break;
    }
  return out;
}

}  // namespace palimpsest
