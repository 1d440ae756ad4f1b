#include "sweeps/claim_reader.h"
#include "sweeps/claim_fields.h"

#include <algorithm>

#include <fmt/format.h>

namespace palimpsest {
namespace {

/// Of a [[claim]], or of a [[claim.part]].
void check_fields(const toml::table& table, const Study& study, bool of_part, Mistakes& mistakes) {
  const auto all = claim_fields(study);
  std::vector<std::string> fields;
  for (const ClaimField& field : all)
    if (field.of_part || !of_part) fields.push_back(field.name);
  const char* what = of_part ? "part of a claim" : "claim";
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (std::find(fields.begin(), fields.end(), name) != fields.end()) continue;
    const bool of_the_claim = std::ranges::find(all, name, &ClaimField::name) != all.end();
    const std::string hint = of_the_claim ? fmt::format(" It belongs to the claim as a whole: write it under [[claim]].") : did_you_mean(name, fields);
    mistakes.add(key, fmt::format("unknown field {} of a {}.{}", name, what, hint.empty() ? fmt::format(" It has: {}.", fmt::join(fields, ", ")) : hint));
  }
}

/// Reads one claim as a whole, and its parts.
class ClaimReader {
 public:
  ClaimReader(const toml::table& table, const Definition& definition, Mistakes& mistakes) : table_(table), definition_(definition), mistakes_(mistakes) {}

  Claim read() {
    check_fields(table_, *definition_.study, false, mistakes_);
    read_name();
    read_alpha();
    read_parts();
    read_each();
    claim_.hash = claim_hash(claim_);
    return std::move(claim_);
  }

 private:
  void read_name() {
    const toml::node* node = table_.get("name");
    if (!node) return mistakes_.add(table_, "the claim has no name. Write name = \"...\": what it says, in a few words.");
    const auto name = node->value_exact<std::string>();
    if (!name || name->empty()) return mistakes_.add(*node, "the claim's name is no text. Write what it says, in a few words, in quotes.");
    if (std::ranges::any_of(*name, is_control)) return mistakes_.add(*node, "the claim's name holds a control character. Take it out.");
    claim_.name = *name;
  }

  void read_alpha() {
    const toml::node* node = table_.get("alpha");
    if (!node) return;
    const auto value = node->is_number() ? node->value<double>() : std::nullopt;
    if (!value || !(*value > 0 && *value <= 0.5)) return mistakes_.add(*node, "alpha is no number above 0 and up to 0.5. Write the error rate over all claims of the file, for example 0.05.");
    claim_.alpha = *value;
  }

  void read_parts() {
    const toml::node* node = table_.get("part");
    if (!node) return claim_.parts.push_back(read_part(table_, nullptr, definition_, mistakes_));
    const toml::array* parts = node->as_array();
    if (!parts || parts->empty() || !parts->is_homogeneous<toml::table>())
      return mistakes_.add(*node, "part is no list of tables. Write [[claim.part]] below the claim, once for each part that must hold.");
    for (const toml::node& part : *parts) {
      check_fields(*part.as_table(), *definition_.study, true, mistakes_);
      claim_.parts.push_back(read_part(table_, part.as_table(), definition_, mistakes_));
    }
  }

  void read_each() {
    const toml::node* node = table_.get("each");
    if (!node) return;
    const toml::array* keys = node->as_array();
    if (!keys) return mistakes_.add(*node, "each is no list of keys. Write each = [\"training.learning_rate\"]: the claim must hold at each value of them.");
    for (const toml::node& key : *keys) read_each_key(key);
  }

  void read_each_key(const toml::node& node) {
    const auto key = node.value_exact<std::string>();
    if (!key) return mistakes_.add(node, "each holds something that is no key. Write keys of [sweep.grid] in quotes.");
    const auto swept = swept_keys(definition_);
    if (!axis_of(definition_, *key)) {
      const std::string hint = did_you_mean(*key, swept);
      return mistakes_.add(node, fmt::format("each names {}, which is not swept.{}", *key, hint.empty() ? " Add it to [sweep.grid], or take it out of each." : hint));
    }
    for (const ClaimPart& part : claim_.parts)
      if (part.treatment.contains(*key) || part.baseline.contains(*key))
        mistakes_.add(node, fmt::format("each takes every value of {}, but treatment or baseline fixes one. Take it out of one of them.", *key));
    if (std::find(claim_.each.begin(), claim_.each.end(), *key) != claim_.each.end())
      return mistakes_.add(node, fmt::format("each names {} twice. Leave one out.", *key));
    claim_.each.push_back(*key);
  }

  const toml::table& table_;
  const Definition& definition_;
  Mistakes& mistakes_;
  Claim claim_;
};

}  // namespace

std::vector<Claim> read_claims(const toml::node& node, const Definition& definition, Mistakes& mistakes) {
  std::vector<Claim> claims;
  const toml::array* list = node.as_array();
  if (!list || !list->is_homogeneous<toml::table>()) {
    mistakes.add(node, "claim is no list of tables. Write [[claim]], with two brackets, above each claim.");
    return claims;
  }
  for (const toml::node& table : *list) {
    Claim claim = ClaimReader(*table.as_table(), definition, mistakes).read();
    const bool twin = std::any_of(claims.begin(), claims.end(), [&](const Claim& other) { return other.name == claim.name; });
    if (twin && !claim.name.empty())
      mistakes.add(*table.as_table()->get("name"), fmt::format("two claims are named {}. Give each its own name.", text(Value(claim.name))));
    if (!claims.empty() && claim.alpha != claims.front().alpha)
      mistakes.add(table, fmt::format("alpha = {} here, but {} in the first claim: the error rate is one for all claims of a file. Give all the same.", claim.alpha, claims.front().alpha));
    claims.push_back(std::move(claim));
  }
  return claims;
}

}  // namespace palimpsest
