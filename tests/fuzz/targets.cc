#include "tests/fuzz/targets.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "launch/wire.h"
#include "runtime/checkpoint.h"
#include "runtime/error.h"
#include "runtime/image.h"
#include "runtime/safetensors.h"
#include "runtime/tar.h"
#include "sweeps/definition.h"
#include "sweeps/ledger.h"
#include "sweeps/ledger_check.h"
#include "sweeps/ledger_json.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kMostPixels = 1 << 20;

std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

[[noreturn]] void broken(const char* promise) {
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

// A folder in memory where there is one.
std::filesystem::path scratch() {
  static const struct Scratch {
    TemporaryFolder folder;
  } kept = [] {
    if (std::filesystem::is_directory("/dev/shm")) setenv("TMPDIR", "/dev/shm", 0);
    return Scratch{};
  }();
  return kept.folder.path();
}

void put(const std::filesystem::path& file, Bytes bytes) {
  const int handle = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (handle < 0 || write(handle, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) broken("the fuzzer can write its input to a file");
  close(handle);
}

// What is read is written out as TOML that reads back to the same.
void definition(Bytes bytes) {
  const Definition once = read_definition_text(std::string(text_of(bytes)), "fuzzed.toml");
  const std::string resolved = resolved_toml(once);
  if (resolved_toml(read_definition_text(resolved, "fuzzed.toml")) != resolved) broken("a resolved definition reads back to itself");
}

void safetensors_header(Bytes bytes) {
  const auto header = parse_safetensors_header(bytes, 1 << 20, "fuzzed");
  for (const auto& [name, tensor] : header.tensors)
    if (tensor.begin > tensor.end || tensor.end > 1 << 20) broken("a tensor lies within the data");
}

void safetensors_file(Bytes bytes) {
  put(scratch() / "file.safetensors", bytes);
  const SafetensorsFile file(scratch() / "file.safetensors");
  std::size_t sum = 0;
  for (const auto& [name, tensor] : file.tensors())
    for (const std::byte byte : file.bytes(name)) sum += static_cast<std::size_t>(byte);
  if (sum == static_cast<std::size_t>(-1)) broken("it is read");
}

void checkpoint_manifest(Bytes bytes) {
  const auto folder = scratch() / "step-000000007";
  std::filesystem::create_directories(folder);
  put(folder / "weights.safetensors", {});
  put(folder / "manifest.json", bytes);
  checkpoint_flaw(folder);
  newest_checkpoint(scratch(), [](const std::string&) {});
}

void message_from_worker(Bytes bytes) {
  const FromWorker message = from_worker(text_of(bytes));
  if (encode(from_worker(encode(message))) != encode(message)) broken("a message written and read is the same");
}

void message_from_coordinator(Bytes bytes) {
  const FromCoordinator message = from_coordinator(text_of(bytes));
  if (encode(from_coordinator(encode(message))) != encode(message)) broken("a message written and read is the same");
}

template <class Read>
void try_reading(Read read) {
  try {
    read();
  } catch (const Error&) {   // said what is wrong
  }
}

void ledger_json(Bytes bytes) {
  const std::string_view text = text_of(bytes);
  try_reading([&] { to_json(settings_of_json(text)); });
  try_reading([&] { to_json(axes_of_json(text)); });
  try_reading([&] { to_json(claim_of_json(text)); });
  try_reading([&] { words_of_json(text); });
  try_reading([&] { list_of_json(text); });
}

void ledger_file(Bytes bytes) {
  const auto folder = scratch() / "sweep";
  std::filesystem::create_directories(folder);
  put(folder / "ledger.sqlite", bytes);
  check_ledger(folder);
  const Ledger ledger = Ledger::open_for_reading(folder);
  ledger.runs();
  ledger.claims();
  for (const std::string& metric : ledger.metrics()) ledger.for_each_measurement(metric, [](const RunId&, const Measurement&) {});
}

void tar(Bytes bytes) {
  put(scratch() / "shard.tar", bytes);
  for (const TarMember& member : tar_members(scratch() / "shard.tar"))
    if (static_cast<std::int64_t>(read_member(scratch() / "shard.tar", member).size()) != member.size) broken("a member has the size it says");
}

void image(Bytes bytes) {
  const Image decoded = decode_image(bytes, "fuzzed", kMostPixels);
  if (decoded.rgb.size() != static_cast<std::size_t>(decoded.width) * static_cast<std::size_t>(decoded.height) * 3) broken("an image has three bytes a pixel");
  if (!(image_size(bytes, "fuzzed", kMostPixels) == ImageSize{decoded.width, decoded.height})) broken("the header tells the size");
  decode_part(bytes, "fuzzed", 8, [](ImageSize size) { return Box{0, 0, static_cast<double>(size.width), static_cast<double>(size.height) / 2}; }, kMostPixels);
}

}  // namespace

const std::vector<FuzzTarget>& fuzz_targets() {
  static const std::vector<FuzzTarget> targets = {{"definition", definition, 4096},
                                                  {"safetensors_header", safetensors_header, 4096},
                                                  {"safetensors_file", safetensors_file, 4096},
                                                  {"checkpoint_manifest", checkpoint_manifest, 2048},
                                                  {"message_from_worker", message_from_worker, 4096},
                                                  {"message_from_coordinator", message_from_coordinator, 4096},
                                                  {"ledger_json", ledger_json, 4096},
                                                  {"ledger_file", ledger_file, 200'000},
                                                  {"tar", tar, 16384},
                                                  {"image", image, 16384}};
  return targets;
}

}  // namespace palimpsest
