#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "launch/command_weights.h"
#include "models/inspect_weights.h"
#include "models/key_ranges.h"
#include "runtime/words.h"

namespace palimpsest {
namespace {

struct Line {
  std::string what;  // type and shape
  std::vector<std::string> keys;
};

// Tensors of equal type and shape that differ in the number of their block alone share a line.
std::vector<Line> tensor_lines(const WeightFacts& facts) {
  std::vector<Line> lines;
  std::map<std::pair<std::string, std::string>, std::size_t> at;
  for (const auto& [key, entry] : facts.tensors) {
    const auto what = fmt::format("{:<4} [{}]", entry.dtype, fmt::join(entry.shape, ", "));
    const auto [place, is_new] = at.try_emplace({block_key(key).pattern, what}, lines.size());
    if (is_new) lines.push_back({what, {}});
    lines[place->second].keys.push_back(key);
  }
  return lines;
}

std::string megabytes(std::uint64_t bytes) {
  return bytes < 1'000'000 ? fmt::format("{} bytes", bytes)
                           : fmt::format("{:.1f} MB", static_cast<double>(bytes) * 1e-6);
}

std::string shortened(const std::string& text) {
  constexpr std::size_t kMost = 100;
  const auto line = text.substr(0, text.find('\n'));
  return line.size() > kMost || line.size() < text.size() ? line.substr(0, kMost) + " ..." : line;
}

std::string as_text(const WeightFacts& facts) {
  std::string out = fmt::format("{}: {}\n", facts.file.string(), megabytes(facts.bytes));
  if (!facts.damage.empty()) return out + "  CANNOT BE READ " + facts.damage + "\n";
  out += fmt::format("  {}; {} tensors, {} numbers\n", facts.kind, facts.tensors.size(), facts.parameters());
  for (const auto& [what, value] : facts.architecture) out += fmt::format("  {:<18} {}\n", what, value);
  for (const auto& remark : facts.remarks) out += "  note: " + remark + "\n";
  for (const auto& [name, count] : facts.not_finite)
    out += fmt::format("  NOT FINITE: {} numbers of {}\n", count, name);
  if (!facts.metadata.empty()) out += "  metadata:\n";
  for (const auto& [key, value] : facts.metadata) out += fmt::format("    {} = {}\n", key, shortened(value));
  out += "  tensors:\n";
  for (const auto& line : tensor_lines(facts))
    out += fmt::format("    {:<24} {}\n", line.what, key_ranges(line.keys).front());
  return out;
}

nlohmann::ordered_json as_json(const WeightFacts& facts) {
  nlohmann::ordered_json said = {{"file", facts.file.string()}, {"bytes", facts.bytes}};
  if (!facts.damage.empty()) {
    said["damage"] = facts.damage;
    return said;
  }
  said.update({{"kind", facts.kind},
               {"parameters", facts.parameters()},
               {"architecture", facts.architecture},
               {"remarks", facts.remarks},
               {"metadata", facts.metadata},
               {"not_finite", facts.not_finite},
               {"tensors", nlohmann::ordered_json::array()}});
  for (const auto& [name, entry] : facts.tensors)
    said["tensors"].push_back(
        {{"name", name}, {"dtype", entry.dtype}, {"shape", entry.shape}, {"bytes", entry.end - entry.begin}});
  return said;
}

std::string as_text(const CheckpointFacts& facts) {
  std::string out = fmt::format("{}: a checkpoint{}{}\n", facts.folder.string(),
                                facts.step < 0 ? "" : fmt::format(" of step {}", facts.step),
                                facts.flaw.empty() ? ", whole" : ", NOT WHOLE");
  if (facts.ranks == 0) return out;
  out += fmt::format("  of {} weights and their moments, by {}{}\n", facts.parameters, counted(facts.ranks, "rank"),
                     facts.sharding.empty() ? "" : fmt::format(", sharding.strategy {}", facts.sharding));
  for (const auto& line : facts.definition) out += "  " + line + "\n";
  return out;
}

nlohmann::ordered_json as_json(const CheckpointFacts& facts) {
  return {{"folder", facts.folder.string()}, {"step", facts.step},
          {"ranks", facts.ranks},            {"sharding", facts.sharding},
          {"parameters", facts.parameters},  {"definition", facts.definition},
          {"flaw", facts.flaw}};
}

std::string text_of(const InspectedWeights& all) {
  std::string out;
  for (const auto& facts : all.checkpoints) out += as_text(facts);
  for (const auto& facts : all.files) out += as_text(facts);
  for (const auto& flaw : all.flaws) out += flaw + "\n";
  return out;
}

std::string json_of(const InspectedWeights& all) {
  nlohmann::ordered_json said = {
      {"checkpoints", nlohmann::ordered_json::array()}, {"files", nlohmann::ordered_json::array()}, {"flaws", all.flaws}};
  for (const auto& facts : all.checkpoints) said["checkpoints"].push_back(as_json(facts));
  for (const auto& facts : all.files) said["files"].push_back(as_json(facts));
  return said.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

// 2 where anything is damaged, so that a script sees it.
int exit_code(const InspectedWeights& all) {
  const bool damaged = std::ranges::any_of(all.files, [](const WeightFacts& facts) { return !facts.damage.empty(); });
  return damaged || !all.flaws.empty() ? 2 : 0;
}

}  // namespace

Run add_weights_inspect(CommandLine& command) {
  struct Options {
    std::filesystem::path path;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  command
      .add_option("PATH", options->path,
                  "a safetensors file (slow weights, a checkpoint's, adapters, anything), or a folder: all in it")
      ->required();
  command.add_flag("--json", options->json, "for scripts");
  command.footer("Ends with 2 where a file or a checkpoint is damaged.");
  return [options](MpiWorld&) {
    const auto all = inspect_weights(options->path);
    std::fputs((options->json ? json_of(all) : text_of(all)).c_str(), stdout);
    return exit_code(all);
  };
}

}  // namespace palimpsest
