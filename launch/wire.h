#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "launch/process_identity.h"
#include "sweeps/coordinator.h"
#include "sweeps/study.h"

namespace palimpsest {

// The messages of a sweep (wire.proto) as plain structs.

struct Hello {
  ProcessIdentity process;
  std::string device, processor;   // what it computes on (device_text.h), and what it does where a study knows the CPU alone
  int rank = 0;
  std::string program;   // its version: coordinator and workers are one program
  std::map<std::string, std::string> facts = {};   // of its host (provenance.h)
};
struct RunReports { PackId pack; std::vector<RunResult> results; };   // of runs that were through within a moment
struct Left { PackId pack; Leaving leaving = Leaving::kEnded; };
struct Beat { PackId pack; double share = 0; };   // from time to time (peer_clock.h); pack 0: waiting
struct AskStop { std::string reason; };           // the worker was told to stop, or cannot go on
struct Bye {};                                    // its last message
using FromWorker = std::variant<Hello, RunReports, Left, Beat, AskStop, Bye>;

struct Welcome {
  ProcessIdentity process;
  std::string study;
  bool keep_pictures = false;
  std::string results;                              // the folder, absolute; another host may not see it
  double snapshot_every = 0;                        // seconds; 0: only where a pack is stopped
};
struct PackOrder {
  PackId pack;
  std::vector<RunSpec> runs;
  std::int64_t together = 0;                        // so many of them at once, in this order; 0: all
};
struct HaltPack {};
struct GoHome { bool some_lost = false; };          // some rank is gone: MPI cannot be ended in common
struct Answer {};                                 // to a beat
using FromCoordinator = std::variant<Welcome, PackOrder, HaltPack, GoHome, Answer>;

std::string encode(const FromWorker&);
std::string encode(const FromCoordinator&);
/// Throws InputError when the bytes are no message, or one of another version.
FromWorker from_worker(std::string_view bytes);
FromCoordinator from_coordinator(std::string_view bytes);

}  // namespace palimpsest
