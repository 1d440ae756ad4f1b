#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "sweeps/plan.h"

namespace palimpsest {

/// What a results folder holds of a plan already.
struct Progressed {
  std::string folder;
  std::int64_t done = 0, failed = 0;
  std::int64_t not_asked = 0;                 // runs of an earlier definition
  std::vector<std::int64_t> waiting;          // by number of the plan; failed ones are not among them
  double seconds_per_run = 0;                 // of those done; 0: none is
};

/// The packs of one signature.
struct PackOutline {
  std::string signature;
  std::int64_t runs = 0, packs = 0, smallest = 0, largest = 0;
  std::uint64_t bytes_per_run = 0;
};

/// What a sweep would run, in numbers: what `palimpsest plan` prints.
struct Outline {
  std::int64_t waiting = 0;                   // runs that would be run now
  int workers = 1;
  std::vector<PackOutline> packs;
  double seconds = 0;                         // of all of it, on these workers
  bool measured = false;                      // from runs that are done; else from the arithmetic a run takes
  std::vector<std::string> warnings;
  std::optional<Progressed> progressed;
};

/// `memory`: bytes each worker may take. Asks the study's memory probe once per signature.
Outline outline(const Plan&, int workers, std::uint64_t memory, std::optional<Progressed> progressed = {});

/// What the ledger of a results folder holds of the plan; nothing where there is no ledger yet. Throws InputError where it is damaged.
std::optional<Progressed> progressed_in(const std::filesystem::path& folder, const Plan&);

std::string outline_text(const Plan&, const Outline&);
nlohmann::json outline_json(const Plan&, const Outline&);

}  // namespace palimpsest
