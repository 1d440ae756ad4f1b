#include "sweeps/definition.h"

#include <algorithm>

#include <fmt/format.h>

#include "runtime/durable_file.h"
#include "sweeps/definition_keys.h"
#include "sweeps/definition_toml.h"

namespace palimpsest {
namespace {

/// Reads a sweep file from its head to its claims; every mistake is told before any is thrown.
class DefinitionReader {
 public:
  DefinitionReader(const std::string& source, const std::filesystem::path& file, std::span<const Override> overrides)
      : root_(parse_toml(source, file)), mistakes_(file) {
    definition_.file = file;
    definition_.source = source;
    if (root_.get("include")) include_file(root_, file, mistakes_);
    lay_over_file(overrides);
  }

  Definition read() {
    read_study();
    if (auto name = read_one(kName)) definition_.name = std::get<std::string>(*name);
    if (const auto* name = root_.get_as<std::string>("name"); name && name->get().empty()) mistakes_.add(*root_.get("name"), "name is empty. Write a word for the sweep.");
    read_sweep();
    read_packs();
    read_cost();
    if (definition_.study) read_replicate();
    if (definition_.study) read_what_the_study_declares();
    mistakes_.throw_if_any();
    return std::move(definition_);
  }

 private:
  /// Overrides go into the tree first, so that they are checked like what stands in the file. The study may be one of them.
  void lay_over_file(std::span<const Override> overrides) {
    KeyTable keys = {kName, kStudy};
    for (const Override& given : overrides)
      if (given.key == "study") definition_.study = find_study(given.value);
    if (!definition_.study) definition_.study = find_study(root_["study"].value_or(std::string()));
    if (definition_.study) keys.insert(keys.end(), definition_.study->keys.begin(), definition_.study->keys.end());
    for (const Override& given : overrides) make_way(given);
    lay_over(root_, overrides, keys, mistakes_);
  }

  /// An axis given on the command line replaces the one of the file, which is written as one quoted key. A swept key's base value would be
  /// overridden without any effect, so that is refused; in an ablation it is the base condition's.
  void make_way(const Override& given) {
    for (const std::string way : {"grid", "zip", "random"}) {
      const std::string prefix = "sweep." + way + ".";
      toml::table* axes = root_["sweep"][way].as_table();
      if (axes && given.key.starts_with(prefix)) axes->erase(std::string_view(given.key).substr(prefix.size()));
      else if (sweeps(root_["sweep"][way].node(), given.key))
        command_line_mistake(given, way == "grid" ? fmt::format("{} is swept, so its base value has no effect. Write --set 'sweep.grid.{}=[{}]'.", given.key, given.key, as_toml(given))
                                                  : fmt::format("{} is swept under sweep.{}, so its base value has no effect. Change its values there, in the file.", given.key, way));
    }
  }

  /// On the command line a word needs no quotation marks; in a list it does.
  std::string as_toml(const Override& given) const {
    const auto& keys = definition_.study->keys;
    const auto key = std::ranges::find(keys, given.key, &Key::name);
    const bool word = key != keys.end() && (key->type == KeyType::kString || key->type == KeyType::kPath);
    return word && !given.value.starts_with('"') && !given.value.starts_with('\'') ? text(Value(given.value)) : given.value;
  }

  bool sweeps(const toml::node* axes, const std::string& key) const {
    if (const toml::array* several = axes ? axes->as_array() : nullptr)
      return std::any_of(several->begin(), several->end(), [&](const toml::node& one) { return sweeps(&one, key); });
    const toml::table* table = axes ? axes->as_table() : nullptr;
    return table && definition_.study &&
           std::ranges::any_of(flattened(*table, *definition_.study), [&](const NamedNode& entry) { return entry.name == key; });
  }

  void command_line_mistake(const Override& given, const std::string& what) {
    toml::source_region where;
    where.path = std::make_shared<const std::string>("--set " + given.key + "=" + given.value);
    mistakes_.add(where, what);
  }

  std::optional<Value> read_one(const Key& key) {
    const toml::node* node = root_.at_path(key.name).node();
    if (node) return checked_value(*node, key, key.name, mistakes_);
    if (key.required) mistakes_.add(fmt::format("the key {} is missing. Write {} = \"...\" at the top: {}.", key.name, key.name, key.meaning));
    return key.default_value;
  }

  void read_study() {
    std::vector<std::string> names;
    for (const Study* study : all_studies()) names.push_back(study->name);
    const auto name = read_one(kStudy);
    definition_.study = name ? find_study(std::get<std::string>(*name)) : nullptr;
    const toml::node* node = root_.get("study");
    if (definition_.study || !name || !node) return;
    const std::string hint = did_you_mean(std::get<std::string>(*name), names);
    mistakes_.add(*node, fmt::format("unknown study {}.{}", std::get<std::string>(*name), hint.empty() ? fmt::format(" There are: {}.", fmt::join(names, ", ")) : hint));
  }

  const toml::table* table_at(const char* name) {
    const toml::node* node = root_.get(name);
    if (node && !node->is_table()) mistakes_.add(*node, fmt::format("{} is no table. Write [{}] and its keys below it.", name, name));
    return node ? node->as_table() : nullptr;
  }

  void check_names(const toml::table& table, const std::string& prefix, const std::vector<std::string>& known) {
    for (const auto& [key, node] : table) {
      const std::string name = prefix + std::string(key.str());
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      mistakes_.add(place(key, node), fmt::format("unknown key {}.{}", name, did_you_mean(name, known)));
    }
  }

  void read_sweep() {
    const toml::table* sweep = table_at("sweep");
    if (!sweep) return;
    check_names(*sweep, "sweep.", {kImageSets.name, kSeeds.name, kPairs.name, kMaxRuns.name, "sweep.grid", "sweep.zip", "sweep.random", "sweep.ablation", "sweep.exclude"});
    if (const auto count = read_one(kImageSets)) definition_.image_sets = std::get<std::int64_t>(*count);
    if (const auto count = read_one(kSeeds)) definition_.seeds = std::get<std::int64_t>(*count);
    if (const auto most = read_one(kMaxRuns)) definition_.max_runs = std::get<std::int64_t>(*most);
  }

  /// [replicate] says how many units there are at most, in place of sweep.image_sets (or seeds, where they are the units).
  void read_replicate() {
    const toml::table* table = table_at("replicate");
    if (!table) return;
    check_names(*table, "replicate.", {kUntil.name, kMin.name, kMax.name, kBatch.name, kWidth.name});
    const bool by_seed = definition_.study->unit == "seed";
    const std::string units = by_seed ? kSeeds.name : kImageSets.name;
    if (const toml::node* twice = root_.at_path(units).node())
      mistakes_.add(*twice, fmt::format("{} and [replicate] both say how many units there are. Leave {} out.", units, units));
    const auto until = read_one(kUntil), min = read_one(kMin), max = read_one(kMax), batch = read_one(kBatch), width = read_one(kWidth);
    if (!until || !min || !max || !batch || !width) return;
    const Replication how{std::get<std::int64_t>(*min), std::get<std::int64_t>(*max), std::get<std::int64_t>(*batch), std::get<double>(*width)};
    for (const Key* key : {&kUntil, &kMax})
      if (!root_.at_path(key->name)) mistakes_.add(*table, fmt::format("the key {} is missing. Write {} below [replicate].", key->name,
                                                                        key == &kUntil ? "until = \"every claim decided\"" : "max = 40"));
    if (how.min > how.max) mistakes_.add(*table, fmt::format("replicate.min = {} is above replicate.max = {}. Lower it.", how.min, how.max));
    if (!root_.get("claim")) mistakes_.add(*table, "there is no claim to decide. Write one under [[claim]], or take [replicate] out.");
    (by_seed ? definition_.seeds : definition_.image_sets) = how.max;
    definition_.replication = how;
  }

  void read_packs() {
    const toml::table* packs = table_at("packs");
    if (!packs) return;
    check_names(*packs, "packs.", {kPackSize.name, kSnapshotEvery.name});
    if (const auto time = read_one(kSnapshotEvery)) definition_.snapshot_every = std::get<double>(*time);
    const toml::node* size_node = packs->get("size");
    if (const auto* word = size_node ? size_node->as_string() : nullptr) {
      if (word->get() != "auto") mistakes_.add(*size_node, fmt::format("packs.size = {} is no size. Write \"auto\" or a number of runs.", text(Value(word->get()))));
      return;
    }
    if (const auto size = read_one(kPackSize)) definition_.pack_size = std::get<std::int64_t>(*size);
  }

  void read_cost() {
    const toml::table* cost = table_at("cost");
    if (!cost) return;
    check_names(*cost, "cost.", {kDeviceHour.name, kCurrency.name});
    if (const auto price = read_one(kDeviceHour)) definition_.device_hour = std::get<double>(*price);
    if (const auto currency = read_one(kCurrency)) definition_.currency = std::get<std::string>(*currency);
  }

  void read_what_the_study_declares() {
    read_axes();
    definition_.base = read_base();
    read_bundles();
    check_number_of_runs();
    if (const toml::node* claims = root_.get("claim")) definition_.claims = read_claims(*claims, definition_, mistakes_);
  }

  void read_axes() {
    const toml::node* grid = root_.at_path("sweep.grid").node();
    if (!grid) return;
    if (!grid->is_table()) return mistakes_.add(*grid, "sweep.grid is no table. Write [sweep.grid] and below it lists of values, like \"fast.rank\" = [4, 8].");
    definition_.grid = read_grid(*grid->as_table(), *definition_.study, mistakes_);
  }

  void read_bundles() {
    const Study& study = *definition_.study;
    const auto add = [&](std::vector<Bundle> bundles) { definition_.bundles.insert(definition_.bundles.end(), bundles.begin(), bundles.end()); };
    if (const auto* node = root_.at_path("sweep.zip").node()) add(read_zips(*node, study, mistakes_));
    if (const auto* node = root_.at_path("sweep.random").node()) add(read_random(*node, study, mistakes_));
    const auto pairs = read_one(kPairs);
    if (const auto* node = root_.at_path("sweep.ablation").node()) add(read_ablations(*node, study, definition_.base, pairs && std::get<bool>(*pairs), mistakes_));
    if (const auto* node = root_.at_path("sweep.exclude").node()) definition_.excluded = read_exclusions(*node, study, mistakes_);
    refuse_keys_swept_twice();
  }

  /// Tables of which each sweeps its keys by itself. Those of an ablation are one.
  std::vector<std::vector<const toml::table*>> tables_that_sweep() {
    std::vector<std::vector<const toml::table*>> found;
    for (const char* way : {"grid", "zip", "random", "ablation"}) {
      const toml::node* node = root_["sweep"][way].node();
      std::vector<const toml::table*> tables;
      if (const auto* several = node ? node->as_array() : nullptr) {
        for (const toml::node& one : *several)
          if (one.is_table()) tables.push_back(one.as_table());
      } else if (node && node->is_table()) {
        tables.push_back(node->as_table());
      }
      if (std::string_view(way) == "ablation") found.push_back(tables);
      else for (const toml::table* one : tables) found.push_back({one});
    }
    return found;
  }

  void refuse_keys_swept_twice() {
    std::map<std::string, toml::source_region> places;   // where each was swept first
    for (const auto& tables : tables_that_sweep()) {
      std::map<std::string, toml::source_region> here;
      for (const toml::table* table : tables)
        for (const NamedNode& entry : flattened(*table, *definition_.study))
          if (find_key(*definition_.study, entry.name)) here.try_emplace(entry.name, entry.where);
      for (const auto& [key, where] : here)
        if (const auto [first, is_new] = places.try_emplace(key, where); !is_new)
          mistakes_.add(where, fmt::format("{} is swept already, at {}. Sweep it in one of grid, zip, random and ablation.", key, mistakes_.place_of(first->second)));
    }
  }

  void check_number_of_runs() {
    double runs = static_cast<double>(definition_.image_sets) * static_cast<double>(definition_.seeds);
    for (const SweepAxis& axis : definition_.grid) runs *= static_cast<double>(std::max<std::size_t>(axis.values.size(), 1));
    for (const Bundle& bundle : definition_.bundles) runs *= static_cast<double>(std::max<std::size_t>(bundle.points.size(), 1));
    if (runs > static_cast<double>(definition_.max_runs))
      mistakes_.add(*root_.get("sweep"), fmt::format("the sweep has {:.15g} runs, and more than sweep.max_runs = {} are taken for a slip. Take out values, image sets or "
                                                     "seeds, or write max_runs = {:.15g} under [sweep].", runs, definition_.max_runs, runs));
  }

  /// A required key that is swept needs no base value: it takes the first of its axis.
  Settings read_base() {
    KeyTable keys = definition_.study->keys;
    for (Key& key : keys)
      if (const SweepAxis* axis = axis_of(definition_, key.name); axis && !axis->values.empty()) key.default_value = axis->values.front(), key.required = false;
    const std::vector<std::string> others = {"study", "name", "sweep", "packs", "cost", "replicate", "claim", "include"};
    return read_keys(root_, keys, others, mistakes_);
  }

  toml::table root_;
  Mistakes mistakes_;
  Definition definition_;
};

}  // namespace

const Key* find_key(const Study& study, std::string_view name) {
  const auto key = std::find_if(study.keys.begin(), study.keys.end(), [&](const Key& k) { return k.name == name; });
  return key == study.keys.end() ? nullptr : &*key;
}

bool names_a_place(const Study& study, std::string_view name) {
  const Key* key = find_key(study, name);
  return key && (key->type == KeyType::kPath || key->type == KeyType::kPaths);
}

const SweepAxis* axis_of(const Definition& definition, std::string_view key) {
  const auto among = [&](const std::vector<SweepAxis>& axes) -> const SweepAxis* {
    const auto axis = std::find_if(axes.begin(), axes.end(), [&](const SweepAxis& a) { return a.key == key; });
    return axis == axes.end() ? nullptr : &*axis;
  };
  const SweepAxis* found = among(definition.grid);
  for (const Bundle& bundle : definition.bundles)
    if (!found) found = among(bundle.axes);
  return found;
}

std::vector<std::string> swept_keys(const Definition& definition) {
  std::vector<std::string> keys;
  for (const SweepAxis& axis : definition.grid) keys.push_back(axis.key);
  for (const Bundle& bundle : definition.bundles)
    for (const SweepAxis& axis : bundle.axes) keys.push_back(axis.key);
  return keys;
}

Definition read_definition(const std::filesystem::path& file, std::span<const Override> overrides) {
  return read_definition_text(read_file(file), file, overrides);
}

Definition read_definition_text(const std::string& text, const std::filesystem::path& file, std::span<const Override> overrides) {
  return DefinitionReader(text, file, overrides).read();
}

}  // namespace palimpsest
