#include "sweeps/snapshot.h"

#include <charconv>

#include <fmt/core.h>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/safetensors.h"

namespace palimpsest {
namespace {

constexpr const char* kVersion = "1";

// Of the run, the step, and of names, types, shapes and bytes in order of the names.
template <class Parts, class Bytes>
std::string hash_of(const std::string& run, const std::string& step, const Parts& parts, Bytes bytes) {
  std::string all = run + ' ' + step + '\n';
  for (const auto& [name, part] : parts) {
    all += name + ' ' + part.dtype;
    for (const std::int64_t size : part.shape) all += ' ' + std::to_string(size);
    all += ' ' + content_hash(bytes(name, part)) + '\n';
  }
  return content_hash(all);
}

const std::string& fact(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) throw InputError("it has no " + key);
  return found->second;
}

std::int64_t step_of(const std::string& text) {
  std::int64_t step = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  if (error != std::errc{} || end != text.data() + text.size() || step < 0) throw InputError("its step is \"" + text + "\"");
  return step;
}

Snapshot opened(const std::filesystem::path& path, const std::string& run) {
  const SafetensorsFile file(path);
  if (fact(file, "snapshot") != kVersion) throw InputError("it is of version " + fact(file, "snapshot") + ", this program reads version " + kVersion);
  if (fact(file, "run") != run) throw InputError("it is that of run " + fact(file, "run"));
  const auto bytes = [&](const std::string& name, const auto&) { return file.bytes(name); };
  if (fact(file, "xxh3_128") != hash_of(run, fact(file, "step"), file.tensors(), bytes)) throw InputError("its bytes are not those that were written");
  Snapshot out;
  out.step = step_of(fact(file, "step"));
  for (const auto& [name, entry] : file.tensors()) {
    const auto view = file.bytes(name);
    out.parts[name] = {entry.dtype, entry.shape, {view.begin(), view.end()}};
  }
  return out;
}

}  // namespace

std::filesystem::path snapshot_file(const std::filesystem::path& folder, const std::string& run) { return folder / (run + ".safetensors"); }

void write_snapshot(const std::filesystem::path& folder, const std::string& run, const Snapshot& snapshot) {
  std::vector<TensorView> views;
  for (const auto& [name, part] : snapshot.parts) views.push_back({name, part.dtype, part.shape, part.bytes});
  const auto bytes = [](const std::string&, const SnapshotPart& part) { return std::span<const std::byte>(part.bytes); };
  const std::string step = std::to_string(snapshot.step);
  write_safetensors(snapshot_file(folder, run), views,
                    {{"snapshot", kVersion}, {"run", run}, {"step", step}, {"xxh3_128", hash_of(run, step, snapshot.parts, bytes)}});
}

ReadSnapshot read_snapshot(const std::filesystem::path& folder, const std::string& run) {
  const auto path = snapshot_file(folder, run);
  std::error_code unknown;
  if (!std::filesystem::exists(path, unknown)) return {};
  try {
    return {opened(path, run), ""};
  } catch (const Error& error) {
    remove_snapshot(folder, run);
    return {std::nullopt, fmt::format("{}: the snapshot cannot be used: {}", path.string(), error.what())};
  }
}

void remove_snapshot(const std::filesystem::path& folder, const std::string& run) noexcept {
  std::error_code ignored;
  std::filesystem::remove(snapshot_file(folder, run), ignored);
}

}  // namespace palimpsest
