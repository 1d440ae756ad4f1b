#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/image_source.h"

namespace palimpsest {

/// One address of a network interface.
struct Address {
  std::string interface, address, network;  // "eth0", "10.77.0.1", "10.77.0.0/24"
};

/// What a host tells of itself before ranks are started on it.
struct HostFacts {
  std::string name, version, program;        // program: hash of the file that runs
  double time = 0;                           // its clock, seconds since 1970
  int cores = 1, threads = 1, memories = 1;  // usable cores, hardware threads it may use, NUMA nodes
  int devices = 0;
  double free_memory = 0;                     // bytes
  bool sees_folder = false;                   // the folder that all hosts must share
  std::map<std::string, std::string> inputs;  // file to hash; "" where it is not there
  std::vector<std::string> images;            // what is wrong with the images it was asked to glance at
  std::vector<Address> addresses;
  int port = 0;       // where it listens, on all addresses
  std::string token;  // what it says there, so that no other is taken for it
};

/// How a connection to an address of another host went.
struct Link {
  std::string to, address;
  std::string outcome;  // "" where it works; else what was seen
  double seconds = 0;
};

/// Everything found out about one host.
struct HostReport {
  std::string name;     // as in the list of hosts
  std::string trouble;  // why there are no facts
  std::optional<HostFacts> facts;
  double clock_ahead = 0;   // seconds its clock is ahead of ours
  double clock_doubt = 0;   // give or take
  std::vector<Link> links;  // to the others
};

// As lines of JSON.
std::string encode(const HostFacts&);
HostFacts host_facts_in(const std::string& line);  // throws InputError
std::string encode(const std::vector<Link>&);
std::vector<Link> links_in(const std::string& line);  // throws InputError

/// A peer's addresses to try: "to", its token, and where it listens.
struct Target {
  std::string to, token, address;
  int port = 0;
};
std::string encode(const std::vector<Target>&);
std::vector<Target> targets_in(const std::string& line);  // throws InputError

/// Whether its paths are UTF-8: JSON holds no others.
bool can_be_asked_about(const ImagePlace&);
std::string encode(const ImagePlace&);
ImagePlace image_place_in(const std::string& line);  // throws InputError

int gpus_of_host();   // NVIDIA's, by their device files

/// What a host is asked to look at.
struct HostQuestions {
  std::vector<std::string> inputs;   // files whose content all hosts must share
  std::vector<std::string> images;   // places of images, encoded
  std::string folder_token;          // a file that is there where the common folder is
};

/// Of this host. `program`: the one whose content all hosts must share.
HostFacts facts_of_this_host(const HostQuestions&, const std::filesystem::path& program);

}  // namespace palimpsest
