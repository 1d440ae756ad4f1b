#include "launch/results_folder.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "runtime/error.h"
#include "runtime/words.h"

namespace palimpsest {
namespace {

/// What is there of these, as it would be named: "losses.csv and checkpoints".
std::string found_in(const std::filesystem::path& folder, const std::vector<std::string>& names) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const std::string& name : names)
    if (std::filesystem::exists(folder / name, ignored)) found.push_back(name);
  return listed(found);
}

void refuse(const std::filesystem::path& out, const std::string& found, const char* holder, const char* command) {
  if (found.empty()) return;
  throw InputError(fmt::format("{} holds the results of a {} ({}). Give another folder to --out; to go on with that {}, write palimpsest {}.", out.string(), holder, found, holder, command));
}

}  // namespace

// What one writes first, and what stays: slow weights alone may have come from anywhere.
void refuse_folder_of_pretraining(const std::filesystem::path& out) { refuse(out, found_in(out, {"losses.csv", "checkpoints"}), "pretraining", "pretrain"); }

void refuse_folder_of_sweep(const std::filesystem::path& out) { refuse(out, found_in(out, {"ledger.sqlite"}), "sweep", "sweep"); }

}  // namespace palimpsest
