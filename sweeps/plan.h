#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sweeps/definition.h"
#include "sweeps/pack_notes.h"

namespace palimpsest {

/// What one worker is taken to compute in a second (floating-point operations) before anything was measured: a CPU core of such work.
constexpr double kWorkPerSecond = 3e10;

/// The runs of a definition by number: grid (first axis slowest), then image set, then seed (fastest). Nothing is laid out:
/// run_at computes a run from its number.
class Plan {
 public:
  /// Opens the inputs (through the study) once per distinct combination of values that names them; throws InputError.
  explicit Plan(const Definition&);

  std::int64_t size() const;
  std::int64_t dropped() const;                                     // runs of the product that are excluded, or the same as others
  RunSpec run_at(std::int64_t number) const;                        // with its id
  std::string signature_of(std::int64_t number) const;
  /// The values of the grid's axes for this run, by key: what a report groups by.
  std::map<std::string, Value> condition_of(std::int64_t number) const;
  std::int64_t cell_of(std::int64_t number) const;                  // its point of the grid: runs of a cell differ in image set and seed alone
  const Definition& definition() const { return definition_; }

 private:
  struct Place {
    std::vector<std::size_t> values;                                // one per axis of the grid, then one per bundle
    std::int64_t image_set = 0, seed = 0;
  };
  std::size_t axes() const { return definition_.grid.size() + definition_.bundles.size(); }
  std::int64_t count_of(std::size_t axis) const;                    // values of an axis, or points of a bundle
  void set_from(std::size_t axis, std::size_t value, Settings&) const;
  Place place_of_cell(std::int64_t cell) const;                     // of the whole product
  bool is_kept(const Place&) const;
  void keep_cells();
  void check_values() const;
  Place place_of(std::int64_t number) const;
  Settings settings_at(const Place&) const;
  std::size_t inputs_row(const Place&) const;
  Place place_of_row(std::size_t row) const;
  void refuse_twins() const;                                        // two paths of an axis that hold the same content would be the same runs
  std::string same_content(std::size_t row, std::size_t twin) const;

  Definition definition_;
  std::int64_t cells_ = 1;                                          // of the whole product
  std::vector<std::uint32_t> kept_;                                 // those that are run, where not all are
  bool all_kept_ = true;
  std::vector<std::size_t> input_axes_;                             // the axes that change what a run reads
  std::vector<std::vector<Inputs>> inputs_;                         // [point of those axes, image set]
};

/// The hash of everything a run resolves to: study, method version, every key (paths by their content), seed, image set, inputs.
RunId run_id(const Study&, const Settings&, std::int64_t seed, std::int64_t image_set, const Inputs&);

/// Waiting runs cut into packs: equal signature, in order of their numbers, at most `pack_size(signature)` each and, where runs are
/// few, small enough that every one of `workers` has a pack. Packs of a signature differ by at most one run, and their number is a multiple
/// of the workers where that makes them smaller only: so no worker waits for the last pack of another.
std::vector<std::vector<std::int64_t>> cut_packs(const Plan&, const std::vector<std::int64_t>& waiting,
                                                 const std::map<std::string, std::int64_t>& pack_size, int workers);

/// Bytes a run of each signature among the waiting runs needs, by the study's memory probe, which is asked once per signature.
std::map<std::string, std::uint64_t> memory_of_runs(const Plan&, const std::vector<std::int64_t>& waiting);

/// The largest pack of each signature: as many runs as fit into `memory` bytes of a worker, at most `largest`, never less than 1.
std::map<std::string, std::int64_t> sizes_within(std::uint64_t memory, const std::map<std::string, std::uint64_t>& memory_of_runs,
                                                 std::int64_t largest = 16);

/// The same for the waiting runs of a plan, or what the definition says under [packs]: then nothing is probed.
std::map<std::string, std::int64_t> pack_sizes(const Plan&, const std::vector<std::int64_t>& waiting, std::uint64_t memory, std::int64_t largest = 16);

/// Measures how fast packs of each signature are, up to its size in `sizes`, within `seconds` in all, and notes it. What is noted already is not
/// measured again; nothing is where that leaves a signature too little time.
void measure_packs(const Plan&, const std::vector<std::int64_t>& waiting, const std::map<std::string, std::int64_t>& sizes, double seconds, PackNotes&);

/// Seconds that are worth spending on that: a small share of what it will all take.
double seconds_to_measure(const Plan&, const std::vector<std::int64_t>& waiting, int workers);

/// Sizes cut down to what memory was found to hold and, where `fastest`, to the smallest that is about as fast as any.
std::map<std::string, std::int64_t> within_notes(std::map<std::string, std::int64_t> sizes, const PackNotes&, bool fastest);

/// Seconds one worker would need for all of them, by the arithmetic a run takes.
double seconds_of_work(const Plan&, const std::vector<std::int64_t>& runs);

/// Bytes that one of `workers_on_host` workers may give to its pack, of what is free here now.
std::uint64_t memory_of_worker(int workers_on_host);

/// A warning for each claim the design cannot decide: too few units for the smallest sign-flip p-value under Holm.
std::vector<std::string> design_warnings(const Definition&);

}  // namespace palimpsest
