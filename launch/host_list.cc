#include "launch/host_list.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>

#include "runtime/error.h"
#include "runtime/host_name.h"

namespace palimpsest {
namespace {

std::optional<int> number_in(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty() ? std::optional(number)
                                                                                   : std::nullopt;
}

// "node1 slots=8", comment cut off; a host without a name for an empty line.
Host host_in(const std::string& line, const std::string& where) {
  std::istringstream words(line.substr(0, line.find('#')));
  Host host;
  words >> host.name;
  for (std::string word; words >> word;) {
    if (word.starts_with("max_slots=") || word.starts_with("max-slots=")) continue;
    const auto slots = word.starts_with("slots=") ? number_in(std::string_view(word).substr(6)) : std::nullopt;
    if (!slots || *slots < 1)
      throw InputError(fmt::format(
          "{}: \"{}\" is not understood. Write a host and how many ranks it takes: node1 slots=8", where, word));
    host.slots = *slots;
  }
  return host;
}

[[noreturn]] void throw_bad_list(const std::string& list) {
  throw InputError(fmt::format("\"{}\" is no list of nodes such as node[1-4,7],gpu5.", list));
}

// "1-3,07" with what stands before and after the brackets.
void expand_range(const std::string& range, const std::string& before, const std::string& after,
                  const std::string& list, std::vector<std::string>& names) {
  std::istringstream parts(range);
  for (std::string part; std::getline(parts, part, ',');) {
    const auto dash = part.find('-');
    const std::string first = part.substr(0, dash), last = dash == std::string::npos ? first : part.substr(dash + 1);
    const auto from = number_in(first), to = number_in(last);
    if (!from || !to || *to < *from) throw_bad_list(list);
    for (int i = *from; i <= *to; ++i)
      for (const std::string& rest : after.empty() ? std::vector<std::string>{""} : expand_node_list(after))
        names.push_back(fmt::format("{}{:0{}}{}", before, i, first.size(), rest));
  }
}

// Commas within brackets do not part names.
std::vector<std::string> parted(const std::string& list) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (char c : list) {
    depth += c == '[' ? 1 : c == ']' ? -1 : 0;
    if (c == ',' && depth == 0)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  if (depth != 0) throw_bad_list(list);
  return parts;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

std::vector<Host> read_hostfile(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) throw InputError(file.string() + ": there is no such hostfile. Write one host a line: node1 slots=8");
  std::vector<Host> hosts;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    const std::string where = fmt::format("{}:{}", file.string(), ++number);
    Host host = host_in(line, where);
    if (host.name.empty()) continue;
    if (std::ranges::find(hosts, host.name, &Host::name) != hosts.end())
      throw InputError(fmt::format("{}: {} is there twice. Give it one line, with all its slots.", where, host.name));
    hosts.push_back(std::move(host));
  }
  if (hosts.empty()) throw InputError(file.string() + ": it names no host. Write one host a line: node1 slots=8");
  return hosts;
}

std::vector<std::string> expand_node_list(const std::string& list) {
  std::vector<std::string> names;
  for (const std::string& part : parted(list)) {
    const auto open = part.find('['), close = part.find(']');
    if (part.empty()) throw_bad_list(list);
    if (open == std::string::npos)
      names.push_back(part);
    else
      expand_range(part.substr(open + 1, close - open - 1), part.substr(0, open), part.substr(close + 1), list, names);
  }
  return names;
}

std::vector<int> expand_counts(const std::string& counts) {
  std::vector<int> all;
  std::istringstream parts(counts);
  for (std::string part; std::getline(parts, part, ',');) {
    const auto times = part.find("(x");
    const auto count = number_in(std::string_view(part).substr(0, times));
    const auto repeated = times == std::string::npos
                              ? std::optional(1)
                              : number_in(std::string_view(part).substr(times + 2, part.size() - times - 3));
    if (!count || !repeated) throw InputError(fmt::format("\"{}\" is no list of counts such as 2(x3),4.", counts));
    all.insert(all.end(), static_cast<std::size_t>(*repeated), *count);
  }
  return all;
}

std::vector<Host> hosts_of_allocation() {
  const std::string nodes = variable("SLURM_JOB_NODELIST");
  if (variable("SLURM_JOB_ID").empty() || nodes.empty()) return {};
  const std::string tasks = variable("SLURM_NTASKS").empty() ? "" : variable("SLURM_TASKS_PER_NODE");
  const std::vector<int> counts = expand_counts(tasks.empty() ? variable("SLURM_JOB_CPUS_PER_NODE") : tasks);
  std::vector<Host> hosts;
  for (const std::string& name : expand_node_list(nodes))
    hosts.push_back({name, hosts.size() < counts.size() ? counts[hosts.size()] : 0});
  return hosts;
}

std::string hostfile_text(const std::vector<Host>& hosts) {
  std::string text;
  for (const Host& host : hosts) text += fmt::format("{} slots={}\n", host.name, host.slots);
  return text;
}

int slots_of(const std::vector<Host>& hosts) {
  int slots = 0;
  for (const Host& host : hosts) slots += host.slots;
  return slots;
}

bool is_this_host(const Host& host) { return host.name == host_name() || host.name == "localhost"; }

}  // namespace palimpsest
