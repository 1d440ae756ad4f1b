#include <charconv>
#include <fstream>
#include <set>

#include "runtime/error.h"
#include "sweeps/csv.h"
#include "sweeps/ledger.h"

namespace palimpsest {
namespace {

std::string field(const std::string& text) { return csv_cell(text); }

std::string field(const Value& value) {
  const auto* word = std::get_if<std::string>(&value);
  return field(word ? *word : text(value));
}

// The shortest text that reads back to the same float32.
std::string number(float value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

const char* word(RunState state) {
  return state == RunState::kDone ? "done" : state == RunState::kFailed ? "failed" : "waiting";
}

// A file that takes its name only when it is whole.
class TableFile {
 public:
  explicit TableFile(const std::filesystem::path& file) : file_(file), part_(file.string() + ".part"), out_(part_, std::ios::binary) {}
  ~TableFile() {
    std::error_code ignored;
    if (!done_) std::filesystem::remove(part_, ignored);
  }
  std::ofstream& out() { return out_; }
  void finish() {
    out_.close();
    if (!out_)
      throw Interrupted(part_.string() + ": could not be written. Make room on the disk, or name another folder with --out, and export again.");
    std::filesystem::rename(part_, file_);
    done_ = true;
  }

 private:
  std::filesystem::path file_, part_;
  std::ofstream out_;
  bool done_ = false;
};

std::filesystem::path file_of(const std::filesystem::path& out, const std::string& metric) {
  std::string name = metric;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') c = '_';
  return out / (name + ".csv");
}

// "run,seed,image_set,fast.qkv": what every table begins with.
std::string common_header(const std::vector<std::string>& axes) {
  std::string header = "run,seed,image_set";
  for (const std::string& key : axes) header += ',' + field(key);
  return header;
}

std::string common_fields(const LedgerRun& run, const std::vector<std::string>& axes) {
  std::string fields = run.spec.id + ',' + std::to_string(run.spec.seed) + ',' + std::to_string(run.spec.image_set);
  for (const std::string& key : axes) fields += ',' + (run.spec.settings.has(key) ? field(run.spec.settings.at(key)) : std::string());
  return fields;
}

// The axes of a metric in the order in which runs, by id, bring them: usually one list for all.
std::vector<std::string> axis_names(const Ledger& ledger, const std::string& metric) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  ledger.for_each_measurement(metric, [&](const RunId&, const Measurement& measurement) {
    for (const Axis& axis : measurement.axes)
      if (seen.insert(axis.name).second) names.push_back(axis.name);
  });
  return names;
}

// A row for each number, the last axis fastest.
void write_rows(std::ostream& out, const std::string& begin, const Measurement& measurement, const std::vector<std::string>& names) {
  std::vector<std::size_t> place(measurement.axes.size(), 0);
  for (float value : measurement.values) {
    out << begin;
    for (const std::string& name : names) {
      out << ',';
      for (std::size_t a = 0; a < place.size(); ++a)
        if (measurement.axes[a].name == name) out << field(measurement.axes[a].labels[place[a]]);
    }
    out << ',' << number(value) << '\n';
    for (std::size_t a = place.size(); a-- > 0 && ++place[a] == measurement.axes[a].labels.size();) place[a] = 0;
  }
}

void export_metric(const Ledger& ledger, const std::string& metric, const std::map<RunId, std::string>& begins,
                   const std::string& header, const std::filesystem::path& out) {
  const auto names = axis_names(ledger, metric);
  TableFile table(file_of(out, metric));
  table.out() << header << ",metric";
  for (const std::string& name : names) table.out() << ',' << field(name);
  table.out() << ",value\n";
  ledger.for_each_measurement(metric, [&](const RunId& run, const Measurement& measurement) {
    write_rows(table.out(), begins.at(run) + ',' + field(metric), measurement, names);
  });
  table.finish();
}

}  // namespace

void export_csv(const Ledger& ledger, const std::filesystem::path& out) {
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) throw InputError(out.string() + ": cannot be made: " + error.message() + ". Name another folder with --out.");
  const auto axes = ledger.axes();
  const std::string header = common_header(axes);
  std::map<RunId, std::string> begins;
  TableFile runs(out / "runs.csv");
  runs.out() << header << ",state\n";
  for (const LedgerRun& run : ledger.runs()) {
    begins[run.spec.id] = common_fields(run, axes);
    runs.out() << begins[run.spec.id] << ',' << word(run.state) << '\n';
  }
  runs.finish();
  for (const std::string& metric : ledger.metrics()) export_metric(ledger, metric, begins, header, out);
}

}  // namespace palimpsest
