#include "launch/launch_request.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <regex>
#include <set>
#include <sstream>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/words.h"

namespace palimpsest {
namespace {

std::string each_with_slots(const std::vector<Host>& hosts) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(hosts.size(), 8); ++i)
    text += fmt::format("{}{} {}", i ? ", " : "", hosts[i].name, hosts[i].slots);
  return hosts.size() > 8 ? text + ", ..." : text;
}

bool is_file(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

void add_with_what_it_names(const std::filesystem::path& file, std::set<std::string>& files) {
  if (!is_file(file) || !files.insert(std::filesystem::canonical(file)).second || file.extension() != ".toml") return;
  static const std::regex quoted(R"re("([^"\n]+)"|'([^'\n]+)')re");
  const std::string text = read_file(file);
  for (std::sregex_iterator match(text.begin(), text.end(), quoted), end; match != end; ++match)
    add_with_what_it_names(file.parent_path() / ((*match)[1].matched ? (*match)[1] : (*match)[2]).str(), files);
}

// An address with its bits, or an interface.
bool is_network(const std::string& word) {
  static const std::regex with_bits(R"(([\d.]+)/(\d{1,2}))"), interface(R"([A-Za-z][^,/\s]*)");
  std::smatch parts;
  in_addr unused;
  if (!std::regex_match(word, parts, with_bits)) return std::regex_match(word, interface);
  return inet_pton(AF_INET, parts[1].str().c_str(), &unused) == 1 && std::stoi(parts[2]) <= 32;
}

}  // namespace

int ranks_to_start(const LaunchRequest& request, const std::vector<Host>& hosts) {
  const int slots = slots_of(hosts), ranks = request.ranks.value_or(slots);
  if (ranks < 1) throw InputError(fmt::format("-n {}: there must be at least 1 rank.", ranks));
  if (ranks <= slots || request.oversubscribe) return ranks;
  const std::string there = hosts.size() == 1 ? "this host has " + counted(slots, request.ranks_per_gpu ? "place" : "core")
                                              : fmt::format("the hosts have {} ({})", counted(slots, "core"), each_with_slots(hosts));
  throw InputError(
      fmt::format("-n {}: {} to give to ranks, and more ranks than that slow each other down. Write -n {}, or "
                  "--oversubscribe to have them all the same.",
                  ranks, there, slots));
}

int gpus_used(const LaunchRequest& request, int gpus) {
  if (request.gpus.empty()) return 0;
  return request.gpus.starts_with("cuda:") ? std::min(gpus, 1) : gpus;
}

int ranks_of_host(const LaunchRequest& request, const std::string& host, int cores, int gpus) {
  const int used = gpus_used(request, gpus);
  if (request.ranks_per_gpu && used == 0)
    throw InputError(fmt::format("--ranks-per-gpu {}: {}. Leave it out.", *request.ranks_per_gpu,
                                 request.gpus.empty() ? "this command computes on no GPU" : host + " shows no GPU"));
  return used > 0 ? used * request.ranks_per_gpu.value_or(1) : cores;
}

std::string ranks_by_gpus(const LaunchRequest& request, int gpus) {
  const int used = gpus_used(request, gpus), each = request.ranks_per_gpu.value_or(1);
  return fmt::format("{} {}, so {}, {} for each GPU; -n N starts others", counted(used, "GPU"), used < gpus ? "is asked for" : "here",
                     counted(used * each, "rank"), each == 1 ? "one" : std::to_string(each));
}

std::vector<std::string> inputs_of(const std::vector<std::string>& command) {
  std::set<std::string> files;
  for (std::size_t i = 1; i < command.size(); ++i) {
    const std::string& word = command[i];
    add_with_what_it_names(word, files);
    if (const auto sign = word.find('='); sign != std::string::npos)
      add_with_what_it_names(word.substr(sign + 1), files);
  }
  return {files.begin(), files.end()};
}

void refuse_unreadable_network(const std::string& network) {
  if (network.empty()) return;
  std::istringstream words(network + ",");   // the last comma ends a word, too
  for (std::string word; std::getline(words, word, ',');)
    if (!is_network(word)) throw InputError(fmt::format("--network {}: this is no network. Write it as 10.0.0.0/24.", network));
}

void refuse_impossible_folder(const std::filesystem::path& folder) {
  std::error_code ignored;
  std::filesystem::path there = std::filesystem::absolute(folder);
  while (!std::filesystem::exists(there, ignored) && there.has_relative_path()) there = there.parent_path();
  if (!std::filesystem::is_directory(there, ignored))
    throw InputError(fmt::format("{}: this folder cannot be made: {} is no folder. Name one that can be written to.", folder.string(), there.string()));
  if (access(there.c_str(), W_OK | X_OK) != 0)
    throw InputError(fmt::format("{}: {} cannot be written to: {}. Name a folder that can be written to.", folder.string(), there.string(), std::strerror(errno)));
}

}  // namespace palimpsest
