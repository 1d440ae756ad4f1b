#include "models/told_architecture.h"

#include <charconv>
#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

using nlohmann::json;

const std::map<std::string, Activation, std::less<>> kActivations = {{"quick_gelu", Activation::kQuickGelu},
                                                                     {"gelu", Activation::kGelu},
                                                                     {"gelu_pytorch_tanh", Activation::kGeluTanh},
                                                                     {"relu", Activation::kRelu}};
const std::map<std::string, Activation, std::less<>> kOtherWords = {
    {"quickgelu", Activation::kQuickGelu}, {"gelu_tanh", Activation::kGeluTanh}, {"gelu_new", Activation::kGeluTanh},
    {"gelu_fast", Activation::kGeluTanh},  {"gelu_erf", Activation::kGelu},      {"gelu_python", Activation::kGelu}};

std::optional<json> object_in(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return std::nullopt;
  auto object = json::parse(read_file(file), nullptr, false);
  if (!object.is_object())
    throw InputError(
        fmt::format("{}: is not a JSON object. Mend it or move it away; it says how the weights beside it are built.",
                    file.string()));
  return object;
}

template <class T>
void take(std::optional<T>& place, const json& object, const char* key) {
  if (!place && object.contains(key) && !object[key].is_null()) place = object[key].get<T>();
}

// Published transformers whose heads are not of 64 are told by these words of timm's names.
std::optional<std::int64_t> heads_of_timm(const std::string& architecture) {
  for (const char* sixteen : {"_huge_", "_giant_", "_gigantic_", "_so400m_", "_so150m"})
    if (architecture.find(sixteen) != std::string::npos) return 16;
  return std::nullopt;
}

void take_hugging_face(ToldArchitecture& told, json config, const std::string& file) {
  if (config.contains("vision_config") && config["vision_config"].is_object()) config = config["vision_config"];
  take(told.heads, config, "num_attention_heads");
  take(told.norm_epsilon, config, "layer_norm_eps");
  if (config.contains("hidden_act")) told.activation = activation_named(config["hidden_act"].get<std::string>(), file);
}

void take_timm(ToldArchitecture& told, const json& config, const std::string& file) {
  const auto architecture = config.at("architecture").get<std::string>();
  told.heads = heads_of_timm(architecture);
  if (architecture.find("quickgelu") != std::string::npos) told.activation = Activation::kQuickGelu;
  if (architecture.find("_clip_") != std::string::npos) told.norm_epsilon = 1e-5;
  if (const auto arguments = config.value("model_args", json::object()); arguments.is_object()) {
    if (arguments.contains("num_heads")) told.heads = arguments["num_heads"].get<std::int64_t>();
    if (arguments.contains("act_layer"))
      told.activation = activation_named(arguments["act_layer"].get<std::string>(), file);
  }
  if (const auto trained = config.value("pretrained_cfg", json::object()); trained.is_object()) {
    take(told.mean, trained, "mean");
    take(told.sd, trained, "std");
  }
}

void take_open_clip(ToldArchitecture& told, const json& config, std::int64_t width) {
  const auto model = config.value("model_cfg", json::object());
  const auto vision = model.value("vision_cfg", json::object());
  if (const auto head = vision.value("head_width", std::int64_t{64}); head > 0) told.heads = width / head;
  told.activation = model.value("quick_gelu", false) ? Activation::kQuickGelu : Activation::kGelu;
  if (const auto pixels = config.value("preprocess_cfg", json::object()); pixels.is_object()) {
    take(told.mean, pixels, "mean");
    take(told.sd, pixels, "std");
  }
}

// Runs `take` on a file that may be there; what it says that is no architecture is told with the file's name.
template <class Take>
void take_from(const std::filesystem::path& file, ToldArchitecture& told, Take take_it) {
  const auto object = object_in(file);
  if (!object) return;
  try {
    take_it(*object);
  } catch (const json::exception& e) {
    throw InputError(fmt::format("{}: {}. Mend it or move it away; it says how the weights beside it are built.",
                                 file.string(), e.what()));
  }
  if (told.by.empty()) told.by = file.filename().string();
}

std::optional<std::array<float, 3>> three_numbers(const std::string& text) {
  std::array<float, 3> out;
  const char* at = text.c_str();
  for (float& number : out) {
    char* end = nullptr;
    number = std::strtof(at, &end);
    if (end == at) return std::nullopt;
    at = *end == ',' ? end + 1 : end;
  }
  return out;
}

}  // namespace

std::string config_entries(const std::filesystem::path& file, const std::vector<std::string>& keys) {
  const auto config = object_in(file.parent_path() / "config.json").value_or(json::object());
  auto entries = json::object();
  for (const auto& key : keys)
    if (config.contains(key)) entries[key] = config[key];
  return entries.dump();
}

Activation activation_named(const std::string& name, const std::string& source) {
  for (const auto* words : {&kActivations, &kOtherWords})
    if (const auto found = words->find(name); found != words->end()) return found->second;
  throw InputError(fmt::format(
      "{}: the activation \"{}\" is not known. Known are quick_gelu, gelu, gelu_pytorch_tanh and relu.", source, name));
}

std::string name_of(Activation activation) {
  for (const auto& [name, value] : kActivations)
    if (value == activation) return name;
  return "quick_gelu";
}

ToldArchitecture told_by_metadata(const std::map<std::string, std::string>& metadata,
                                  const std::filesystem::path& file) {
  ToldArchitecture told;
  const auto text = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  std::int64_t heads = 0;
  const auto written = text("heads");
  if (std::from_chars(written.data(), written.data() + written.size(), heads).ec != std::errc()) return told;
  told.by = "its metadata";
  told.heads = heads;
  if (metadata.contains("activation")) told.activation = activation_named(text("activation"), file.string());
  if (metadata.contains("norm_epsilon")) told.norm_epsilon = std::strtod(text("norm_epsilon").c_str(), nullptr);
  told.mean = three_numbers(text("mean"));
  told.sd = three_numbers(text("sd"));
  return told;
}

ToldArchitecture told_beside(const std::filesystem::path& file, std::int64_t width) {
  ToldArchitecture told;
  const auto folder = file.parent_path();
  take_from(folder / "open_clip_config.json", told, [&](const json& config) { take_open_clip(told, config, width); });
  if (told.by.empty())
    take_from(folder / "config.json", told, [&](const json& config) {
      config.contains("architecture") ? take_timm(told, config, (folder / "config.json").string())
                                      : take_hugging_face(told, config, (folder / "config.json").string());
    });
  take_from(folder / "preprocessor_config.json", told, [&](const json& config) {
    take(told.mean, config, "image_mean");
    take(told.sd, config, "image_std");
  });
  return told;
}

}  // namespace palimpsest
