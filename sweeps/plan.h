#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sweeps/definition.h"
#include "sweeps/kept_cells.h"
#include "sweeps/recorded_inputs.h"

namespace palimpsest {

/// What one worker is taken to compute in a second (floating-point operations) before anything was measured: a CPU core of such work.
constexpr double kWorkPerSecond = 3e10;

/// Where a run of a plan is: what `run_at` makes it from.
struct RunPlace {
  std::int64_t cell = 0;             // of the product of all axes
  std::int64_t image_set = 0, seed = 0;
  std::size_t inputs = 0;            // place among the plan's inputs
};

/// The runs of a definition by number: grid (first axis slowest), then image set, then seed (fastest). Nothing is laid out:
/// run_at computes a run from its number. Copies share what was found out.
class Plan {
 public:
  /// Opens the inputs (through the study) once per distinct combination of values that names them; throws InputError.
  explicit Plan(const Definition&);
  /// The plan as it was when these inputs were found: opens nothing. Throws FormatError where they are not the definition's.
  Plan(const Definition&, RecordedInputs);

  std::int64_t size() const;
  std::int64_t dropped() const;                                     // runs of the product that are excluded, or the same as others
  RunSpec run_at(std::int64_t number) const;                        // with its id
  std::string signature_of(std::int64_t number) const;
  /// The values of the grid's axes for this run, by key: what a report groups by.
  std::map<std::string, Value> condition_of(std::int64_t number) const;
  std::int64_t cell_of(std::int64_t number) const;                  // its point of the grid: runs of a cell differ in image set and seed alone
  std::int64_t runs_of_cell() const { return definition_.image_sets * definition_.seeds; }
  const Definition& definition() const { return definition_; }

  RunPlace place_of(std::int64_t number) const;
  Settings settings_of(std::int64_t cell) const;                    // of the product
  const Product& product() const { return product_; }
  const KeptCells& kept() const { return *kept_; }
  const RecordedInputs& inputs() const { return *inputs_; }
  /// Equal plans have the same runs under the same numbers.
  std::string fingerprint() const;
  /// Whether a run of these settings may be at this place of an axis; its id tells. An axis of paths is left open, since folders move.
  bool may_be_at(std::size_t axis, std::int64_t place, const Settings&) const;

 private:
  void set_from(std::size_t axis, std::size_t value, Settings&) const;
  void find_input_axes();
  void refuse_no_run() const;
  RecordedInputs inspected() const;
  void check_values() const;
  std::size_t inputs_row(std::int64_t cell) const;
  std::int64_t cell_of_row(std::size_t row) const;
  std::size_t rows() const;                                         // points of the input axes
  void refuse_twins() const;                                        // two paths of an axis that hold the same content would be the same runs
  std::string same_content(std::size_t row, std::size_t twin) const;

  Definition definition_;
  Product product_;
  std::shared_ptr<const KeptCells> kept_;
  bool has_when_ = false;
  std::vector<std::size_t> input_axes_;                             // the axes that change what a run reads
  std::shared_ptr<const RecordedInputs> inputs_;                    // [point of those axes, image set]
};

/// Makes runs of a plan: what those of a cell share is made once, so it is quick where runs follow each other. For one thread; the plan must outlive it.
class RunMaker {
 public:
  explicit RunMaker(const Plan& plan) : plan_(plan) {}
  RunSpec run_at(std::int64_t number);
  RunId id_at(std::int64_t number);
  /// As a worker gets it: without inputs. `id`: its own, which is known.
  RunSpec order_at(std::int64_t number, RunId id);

 private:
  void look_at(const RunPlace&);
  RunId id_of(const RunPlace&);                                     // of what was looked at

  const Plan& plan_;
  std::int64_t cell_ = -1;
  Settings settings_;                                               // of that cell
  std::string keys_;                                                // what is hashed of them
  std::optional<std::size_t> at_;
  Inputs inputs_;                                                   // at that place
  std::string inputs_text_;
  std::string text_;                                                // what is hashed of the last run
};

/// Finds the numbers of runs that were made by another plan, or by this one some other day. For one thread; the plan must outlive it.
class RunFinder {
 public:
  explicit RunFinder(const Plan&);
  /// `key`: equal for equal settings, which are asked for once.
  std::optional<std::int64_t> number_of(const RunId&, std::int64_t key, const std::function<Settings()>& settings, std::int64_t image_set, std::int64_t seed);

 private:
  using Places = std::vector<std::int64_t>;
  struct Axis {
    std::string key;                                                // by its value places are found; empty: by none
    std::unordered_map<std::string, Places> with;                   // by the value's text
    Places all;                                                     // where it is by none
  };
  Axis places_of(std::size_t axis) const;
  Places cells_like(const Settings&);                               // that are kept, and may have these settings
  const Places& places_like(const Axis&, const Settings&) const;

  const Plan& plan_;
  RunMaker maker_;
  std::vector<Axis> axes_;
  std::unordered_map<std::int64_t, std::vector<std::int64_t>> cells_;   // by key; places among the cells that are kept
};

/// Whether runs that differ in this key are different runs: not where it says what is kept, or where something lies, which is told by its content.
bool tells_runs_apart(const Study&, const std::string& key);

/// The hash of everything a run resolves to: study, method version, every key (paths by their content), seed, image set, inputs.
RunId run_id(const Study&, const Settings&, std::int64_t seed, std::int64_t image_set, const Inputs&);
/// The same from the parts of the text that is hashed: what all runs of a cell have, and what all that read the same have.
std::string id_text_of_keys(const Study&, const Settings&);
std::string id_text_of_inputs(const Inputs&);
RunId run_id(const std::string& keys, std::int64_t seed, std::int64_t image_set, const std::string& inputs);
/// The same; `text` is room for what is hashed.
RunId run_id(const std::string& keys, std::int64_t seed, std::int64_t image_set, const std::string& inputs, std::string& text);

/// A warning for each claim the design cannot decide: too few units for the smallest sign-flip p-value under Holm.
std::vector<std::string> design_warnings(const Definition&);

}  // namespace palimpsest
