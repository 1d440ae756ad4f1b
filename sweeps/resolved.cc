#include <algorithm>

#include "sweeps/definition.h"

namespace palimpsest {
namespace {

/// "training.epochs" -> {"training", "epochs"}; a key without a dot has no table.
std::pair<std::string, std::string> table_and_leaf(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos) return {"", name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

/// The study's keys, each under its table: tables in the order of their first key, keys in the order of the study.
std::string base_toml(const Definition& definition) {
  std::vector<std::pair<std::string, std::string>> tables;
  for (const Key& key : definition.study->keys) {
    const auto [table, leaf] = table_and_leaf(key.name);
    auto found = std::find_if(tables.begin(), tables.end(), [&, name = table](const auto& one) { return one.first == name; });
    if (found == tables.end()) found = tables.insert(table.empty() ? tables.begin() : tables.end(), {table, ""});
    found->second += leaf + " = " + text(definition.base.at(key.name)) + "\n";
  }
  std::string out;
  for (const auto& [table, lines] : tables) out += (table.empty() ? "" : "\n[" + table + "]\n") + lines;
  return out;
}

std::string list_of(const std::vector<Value>& values) {
  std::string out;
  for (const Value& value : values) out += (out.empty() ? "" : ", ") + text(value);
  return "[" + out + "]";
}

std::string assignments(const std::map<std::string, Value>& condition) {
  std::string out;
  for (const auto& [key, value] : condition) out += (out.empty() ? "" : ", ") + text(Value(key)) + " = " + text(value);
  return out;
}

/// Whatever points were drawn or derived, they are given one by one.
std::string zip_toml(const Bundle& bundle) {
  std::string out = "\n[[sweep.zip]]\n";
  if (!bundle.how.empty()) out += "how = " + text(Value(bundle.how)) + "\n";
  for (std::size_t i = 0; i < bundle.axes.size(); ++i) {
    std::vector<Value> values;
    for (const auto& point : bundle.points) values.push_back(bundle.axes[i].values[point[i]]);
    out += text(Value(bundle.axes[i].key)) + " = " + list_of(values) + "\n";
  }
  return out;
}

std::string sweep_toml(const Definition& definition) {
  const bool by_seed = definition.study->unit == "seed", grows = definition.replication.has_value();
  std::string out = "\n[sweep]\n";
  if (!grows || by_seed) out += "image_sets = " + std::to_string(definition.image_sets) + "\n";
  if (!grows || !by_seed) out += "seeds = " + std::to_string(definition.seeds) + "\n";
  out += "max_runs = " + std::to_string(definition.max_runs) + "\n";
  if (!definition.grid.empty()) out += "\n[sweep.grid]\n";
  for (const SweepAxis& axis : definition.grid) {
    const std::string list = list_of(axis.values), name = text(Value(axis.key));
    if (axis.when.empty()) out += name + " = " + list + "\n";
    else out += name + " = { values = " + list + ", when = { " + assignments(axis.when) + " } }\n";
  }
  for (const Bundle& bundle : definition.bundles) out += zip_toml(bundle);
  for (const Exclusion& rule : definition.excluded) {
    out += "\n[[sweep.exclude]]\n";
    for (const auto& [key, values] : rule) out += text(Value(key)) + " = " + list_of(values) + "\n";
  }
  return out;
}

std::string replicate_toml(const Definition& definition) {
  if (!definition.replication) return "";
  const Replication& how = *definition.replication;
  return "\n[replicate]\nuntil = \"every claim decided\"\nmin = " + std::to_string(how.min) + "\nmax = " + std::to_string(how.max) + "\nbatch = " +
         std::to_string(how.batch) + "\n" + (how.width > 0 ? "width = " + text(Value(how.width)) + "\n" : "");
}

}  // namespace

std::string resolved_toml(const Definition& definition) {
  std::string out = "study = " + text(Value(definition.study->name)) + "\nname = " + text(Value(definition.name)) + "\n";
  out += base_toml(definition);
  out += "\n[packs]\nsize = " + (definition.pack_size == 0 ? "\"auto\"" : std::to_string(definition.pack_size)) + "\nsnapshot_every = " + text(Value(definition.snapshot_every)) + "\n";
  if (definition.device_hour > 0) out += "\n[cost]\ndevice_hour = " + text(Value(definition.device_hour)) + "\ncurrency = " + text(Value(definition.currency)) + "\n";
  out += sweep_toml(definition) + replicate_toml(definition);
  for (const Claim& claim : definition.claims) out += "\n" + claim_toml(claim);
  return out;
}

}  // namespace palimpsest
