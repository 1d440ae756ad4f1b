#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "runtime/error.h"
#include "sweeps/csv.h"
#include "sweeps/export_json_lines.h"
#include "sweeps/ledger.h"

namespace palimpsest {
namespace {

// The shortest text that reads back to the same float32.
std::string number(float value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

/// How a row is written: its fields are joined by commas.
class Format {
 public:
  virtual ~Format() = default;
  virtual const char* ending() const = 0;   // of files
  virtual std::string head(const std::vector<std::string>& columns) const = 0;
  virtual const char* begin() const = 0;
  virtual const char* end() const = 0;
  virtual std::string field(const std::string& column, const std::string& text) const = 0;
  virtual std::string field(const std::string& column, const Value&) const = 0;
  virtual std::string field(const std::string& column, float) const = 0;
  virtual std::string nothing(const std::string& column) const = 0;
};

class Csv : public Format {
 public:
  const char* ending() const override { return ".csv"; }
  std::string head(const std::vector<std::string>& columns) const override {
    std::string line;
    for (const std::string& column : columns) line += (line.empty() ? "" : ",") + csv_cell(column);
    return line + "\n";
  }
  const char* begin() const override { return ""; }
  const char* end() const override { return "\n"; }
  std::string field(const std::string&, const std::string& text) const override { return csv_cell(text); }
  std::string field(const std::string&, const Value& value) const override {
    const auto* word = std::get_if<std::string>(&value);
    return csv_cell(word ? *word : text(value));
  }
  std::string field(const std::string&, float value) const override { return number(value); }
  std::string nothing(const std::string&) const override { return ""; }
};

class JsonLines : public Format {
 public:
  const char* ending() const override { return ".jsonl"; }
  std::string head(const std::vector<std::string>&) const override { return ""; }
  const char* begin() const override { return "{"; }
  const char* end() const override { return "}\n"; }
  std::string field(const std::string& column, const std::string& text) const override { return named(column, written(text)); }
  std::string field(const std::string& column, const Value& value) const override {
    return named(column, std::visit([](const auto& held) { return written(held); }, value));
  }
  std::string field(const std::string& column, float value) const override { return named(column, std::isfinite(value) ? number(value) : "null"); }
  std::string nothing(const std::string& column) const override { return named(column, "null"); }

 private:
  static std::string written(const nlohmann::json& value) { return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); }
  static std::string named(const std::string& column, const std::string& value) { return written(column) + ":" + value; }
};

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

std::filesystem::path file_of(const std::filesystem::path& out, const std::string& metric, const Format& format) {
  std::string name = metric;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') c = '_';
  return out / (name + format.ending());
}

// What every table begins with: "run,seed,image_set,fast.qkv".
std::vector<std::string> common_columns(const std::vector<std::string>& axes) {
  std::vector<std::string> columns = {"run", "seed", "image_set"};
  columns.insert(columns.end(), axes.begin(), axes.end());
  return columns;
}

std::string common_fields(const LedgerRun& run, const std::vector<std::string>& axes, const Format& format) {
  std::string fields = format.begin() + format.field("run", run.spec.id) + ',' + format.field("seed", Value(run.spec.seed)) + ',' +
                       format.field("image_set", Value(run.spec.image_set));
  for (const std::string& key : axes) fields += ',' + (run.spec.settings.has(key) ? format.field(key, run.spec.settings.at(key)) : format.nothing(key));
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
void write_rows(std::ostream& out, const std::string& begin, const Measurement& measurement, const std::vector<std::string>& names, const Format& format) {
  std::vector<std::size_t> place(measurement.axes.size(), 0);
  for (float value : measurement.values) {
    out << begin;
    for (const std::string& name : names) {
      const auto axis = std::ranges::find(measurement.axes, name, &Axis::name);
      out << ',' << (axis == measurement.axes.end() ? format.nothing(name) : format.field(name, axis->labels[place[static_cast<std::size_t>(axis - measurement.axes.begin())]]));
    }
    out << ',' << format.field("value", value) << format.end();
    for (std::size_t a = place.size(); a-- > 0 && ++place[a] == measurement.axes[a].labels.size();) place[a] = 0;
  }
}

void export_metric(const Ledger& ledger, const std::string& metric, const std::map<RunId, std::string>& begins, std::vector<std::string> columns, const Format& format,
                   const std::filesystem::path& out) {
  const auto names = axis_names(ledger, metric);
  columns.push_back("metric");
  columns.insert(columns.end(), names.begin(), names.end());
  columns.push_back("value");
  TableFile table(file_of(out, metric, format));
  table.out() << format.head(columns);
  ledger.for_each_measurement(metric, [&](const RunId& run, const Measurement& measurement) {
    write_rows(table.out(), begins.at(run) + ',' + format.field("metric", metric), measurement, names, format);
  });
  table.finish();
}

void export_tables(const Ledger& ledger, const std::filesystem::path& out, const Format& format) {
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) throw InputError(out.string() + ": cannot be made: " + error.message() + ". Name another folder with --out.");
  const auto axes = ledger.axes();
  auto columns = common_columns(axes);
  std::map<RunId, std::string> begins;
  TableFile runs(out / (std::string("runs") + format.ending()));
  columns.push_back("state");
  runs.out() << format.head(columns);
  columns.pop_back();
  for (const LedgerRun& run : ledger.runs()) {
    begins[run.spec.id] = common_fields(run, axes, format);
    runs.out() << begins[run.spec.id] << ',' << format.field("state", std::string(word(run.state))) << format.end();
  }
  runs.finish();
  for (const std::string& metric : ledger.metrics()) export_metric(ledger, metric, begins, columns, format, out);
}

}  // namespace

void export_csv(const Ledger& ledger, const std::filesystem::path& out) { export_tables(ledger, out, Csv()); }

void export_json_lines(const Ledger& ledger, const std::filesystem::path& out) { export_tables(ledger, out, JsonLines()); }

}  // namespace palimpsest
