#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "sweeps/packs.h"

namespace palimpsest {

/// What a results folder holds of a plan already.
struct Progressed {
  std::string folder;
  std::int64_t done = 0, failed = 0;
  std::int64_t quarantined = 0;               // of those that failed
  std::int64_t not_asked = 0;                 // runs of earlier definitions that were handed out, and all others of the last
  std::int64_t is_new = 0;                    // runs that no earlier definition asked for
  PackNotes notes;                            // of the machine that is planned for; the caller's to read
  RunSet waiting;                             // by number of the plan; failed ones are not among them
  double seconds_per_run = 0;                 // of those done; 0: none is
};

/// The packs of one signature.
struct PackOutline {
  std::string signature;
  std::int64_t runs = 0, packs = 0, smallest = 0, largest = 0;
  std::uint64_t bytes_per_run = 0;
  std::vector<PackSpeed> speeds;              // as measured; empty: not
  std::vector<std::pair<std::string, std::vector<Value>>> differs = {};   // swept keys whose values are not those of the other packs
};

/// What a sweep would run, in numbers: what `palimpsest plan` prints.
struct Outline {
  std::int64_t waiting = 0;                   // runs that would be run now
  int workers = 1;
  std::vector<PackOutline> packs;
  double seconds = 0;                         // of all of it, on these workers
  enum class From { kArithmetic, kSpeeds, kLedger } from = From::kArithmetic;   // runs that are done, packs that were measured, or what a run computes
  double cost = 0;                            // at the definition's price of a worker's hour; 0: it has none
  std::vector<std::string> warnings;
  std::optional<Progressed> progressed;
};

/// `memory`: bytes each worker may take. Asks the study's memory probe once per signature.
/// `speeds_within`: seconds that measuring how fast packs are may take; 0: it is not measured. `largest`: runs of a pack.
Outline outline(const Plan&, int workers, std::uint64_t memory, std::optional<Progressed> progressed = {}, double speeds_within = 0,
                std::int64_t largest = 16);

/// What the ledger of a results folder holds of the plan; nothing where there is no ledger yet. Throws InputError where it is damaged.
std::optional<Progressed> progressed_in(const std::filesystem::path& folder, const Plan&);

std::string outline_text(const Plan&, const Outline&);
nlohmann::json outline_json(const Plan&, const Outline&);

}  // namespace palimpsest
