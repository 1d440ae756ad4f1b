#include "launch/host_facts.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "launch/process_identity.h"
#include "runtime/clock.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/failure.h"
#include "runtime/host_cores.h"
#include "runtime/host_memory.h"
#include "runtime/host_name.h"

namespace palimpsest {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) { return json.dump(-1, ' ', true, Json::error_handler_t::replace); }

template <class Read>
auto parsed(const std::string& line, Read read) {
  try {
    return read(Json::parse(line));
  } catch (const nlohmann::json::exception&) {
    throw InputError(fmt::format("\"{}\" was said where facts were expected", line.substr(0, 200)));
  }
}

std::string text_of(in_addr address) {
  char text[INET_ADDRSTRLEN] = "";
  inet_ntop(AF_INET, &address, text, sizeof text);
  return text;
}

Address address_of(const ifaddrs& one) {
  const in_addr address = reinterpret_cast<const sockaddr_in*>(one.ifa_addr)->sin_addr,
                mask = reinterpret_cast<const sockaddr_in*>(one.ifa_netmask)->sin_addr;
  return {one.ifa_name, text_of(address),
          fmt::format("{}/{}", text_of({address.s_addr & mask.s_addr}), __builtin_popcount(mask.s_addr))};
}

std::vector<Address> addresses() {
  std::vector<Address> found;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return found;
  for (const ifaddrs* one = all; one; one = one->ifa_next)
    if (one->ifa_addr && one->ifa_netmask && one->ifa_addr->sa_family == AF_INET && (one->ifa_flags & IFF_UP) &&
        !(one->ifa_flags & IFF_LOOPBACK))
      found.push_back(address_of(*one));
  freeifaddrs(all);
  return found;
}

std::string hash_or_nothing(const std::string& file) {
  try {
    return file_hash(file);
  } catch (const Error&) {
    return {};
  }
}

std::vector<std::string> complaints_about(const std::vector<std::string>& places) {
  std::vector<std::string> complaints;
  for (const std::string& place : places) try {
      glance_at(image_place_in(place));
    } catch (const std::exception& error) {
      complaints.push_back(failure_of(error).text);
    }
  return complaints;
}

Json json_of(const Address& one) {
  return {{"interface", one.interface}, {"address", one.address}, {"network", one.network}};
}

}  // namespace

std::string encode(const HostFacts& facts) {
  Json json = {{"name", facts.name},
               {"version", facts.version},
               {"program", facts.program},
               {"time", facts.time},
               {"cores", facts.cores},
               {"threads", facts.threads},
               {"memories", facts.memories},
               {"devices", facts.devices},
               {"free_memory", facts.free_memory},
               {"sees_folder", facts.sees_folder},
               {"inputs", facts.inputs},
               {"images", facts.images},
               {"addresses", Json::array()},
               {"port", facts.port},
               {"token", facts.token}};
  for (const Address& one : facts.addresses) json["addresses"].push_back(json_of(one));
  return dump(json);
}

HostFacts host_facts_in(const std::string& line) {
  return parsed(line, [](const Json& json) {
    HostFacts facts{json.at("name"),
                    json.at("version"),
                    json.at("program"),
                    json.at("time"),
                    json.at("cores"),
                    json.at("threads"),
                    json.at("memories"),
                    json.at("devices"),
                    json.at("free_memory"),
                    json.at("sees_folder"),
                    json.at("inputs").get<std::map<std::string, std::string>>(),
                    json.value("images", std::vector<std::string>{}),   // a host with an earlier program is told of by that
                    {},
                    json.at("port"),
                    json.at("token")};
    for (const Json& one : json.at("addresses"))
      facts.addresses.push_back({one.at("interface"), one.at("address"), one.at("network")});
    return facts;
  });
}

std::string encode(const std::vector<Link>& links) {
  Json list = Json::array();
  for (const Link& link : links)
    list.push_back({{"to", link.to}, {"address", link.address}, {"outcome", link.outcome}, {"seconds", link.seconds}});
  return dump(list);
}

std::vector<Link> links_in(const std::string& line) {
  return parsed(line, [](const Json& json) {
    std::vector<Link> links;
    for (const Json& one : json)
      links.push_back({one.at("to"), one.at("address"), one.at("outcome"), one.at("seconds")});
    return links;
  });
}

std::string encode(const std::vector<Target>& targets) {
  Json list = Json::array();
  for (const Target& one : targets)
    list.push_back({{"to", one.to}, {"token", one.token}, {"address", one.address}, {"port", one.port}});
  return dump(list);
}

std::vector<Target> targets_in(const std::string& line) {
  return parsed(line, [](const Json& json) {
    std::vector<Target> targets;
    for (const Json& one : json) targets.push_back({one.at("to"), one.at("token"), one.at("address"), one.at("port")});
    return targets;
  });
}

bool can_be_asked_about(const ImagePlace& place) {
  try {
    return !Json{place.path.string(), place.masks.string()}.dump().empty();
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

std::string encode(const ImagePlace& place) {
  return dump({{"source", place.source}, {"path", place.path.string()}, {"masks", place.masks.string()}, {"total", place.total}, {"skip_unreadable", place.skip_unreadable}});
}

ImagePlace image_place_in(const std::string& line) {
  return parsed(line, [](const Json& json) {
    return ImagePlace{json.at("source"), json.at("path").get<std::string>(), json.at("masks").get<std::string>(), json.at("total"), json.at("skip_unreadable")};
  });
}

int gpus_of_host() {
  int count = 0;
  while (std::filesystem::exists(fmt::format("/dev/nvidia{}", count))) ++count;
  return count;
}

HostFacts facts_of_this_host(const HostQuestions& questions, const std::filesystem::path& program) {
  const HostCores cores = host_cores();
  HostFacts facts;
  facts.name = host_name();
  facts.version = PALIMPSEST_VERSION;
  facts.program = hash_or_nothing(program.string());
  facts.time = unix_time();
  facts.cores = cores.usable();
  facts.threads = cores.allowed;
  facts.memories = cores.memories;
  facts.devices = gpus_of_host();
  facts.free_memory = static_cast<double>(available_memory());
  facts.sees_folder = questions.folder_token.empty() || std::filesystem::exists(questions.folder_token);
  for (const std::string& file : questions.inputs) facts.inputs[file] = hash_or_nothing(file);
  facts.images = complaints_about(questions.images);
  facts.addresses = addresses();
  return facts;
}

}  // namespace palimpsest
