#include "sweeps/claim.h"

#include "runtime/durable_file.h"

namespace palimpsest {
namespace {

std::string toml_text(const std::string& plain) { return text(Value(plain)); }

std::string table(const Selection& words) {
  std::string out;
  for (const auto& [axis, word] : words) out += (out.empty() ? "" : ", ") + axis + " = " + toml_text(word);
  return "{ " + out + " }";
}

std::string table(const std::map<std::string, Value>& condition) {
  std::string out;
  for (const auto& [key, value] : condition) out += (out.empty() ? "" : ", ") + toml_text(key) + " = " + text(value);
  return "{ " + out + " }";
}

std::string change(const ClaimPart& part) {
  return "{ " + part.change_axis + " = [" + toml_text(part.change_from) + ", " + toml_text(part.change_to) + "]" + (part.log_ratio ? ", as = \"log-ratio\"" : "") + " }";
}

std::string part_toml(const ClaimPart& part) {
  std::string out = "metric = " + toml_text(part.metric) + "\n";
  if (!part.at.empty()) out += "at = " + table(part.at) + "\n";
  if (!part.change_axis.empty()) out += "change = " + change(part) + "\n";
  if (!part.trend_axis.empty()) out += "trend = " + toml_text(part.trend_axis) + "\n";
  if (!part.matched.empty()) out += "matched = " + toml_text(part.matched) + "\n";
  if (!part.minus.empty()) out += "minus = " + table(part.minus) + "\n";
  if (!part.treatment.empty()) out += "treatment = " + table(part.treatment) + "\n";
  if (!part.baseline.empty()) out += "baseline = " + table(part.baseline) + "\n";
  out += std::string("direction = ") + (part.direction == Direction::kGreater ? "\"greater\"" : "\"less\"") + "\n";
  if (part.smallest_effect > 0) out += "smallest_effect = " + text(Value(part.smallest_effect)) + "\n";
  return out;
}

std::string body(const Claim& claim) {
  std::string out;
  if (!claim.each.empty()) out += "each = " + text(Value(claim.each)) + "\n";
  out += "alpha = " + text(Value(claim.alpha)) + "\n";
  if (claim.parts.size() == 1) return out + part_toml(claim.parts.front());
  for (const ClaimPart& part : claim.parts) out += "\n[[claim.part]]\n" + part_toml(part);
  return out;
}

}  // namespace

std::string claim_toml(const Claim& claim) { return "[[claim]]\nname = " + toml_text(claim.name) + "\n" + body(claim); }

std::string claim_hash(const Claim& claim) { return content_hash(body(claim)); }

}  // namespace palimpsest
