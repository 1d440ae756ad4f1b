#include "runtime/error.h"
#include "sweeps/design_words.h"
#include "sweeps/report.h"

namespace palimpsest {

const Study& study_of(const Ledger& ledger) {
  if (const Study* study = find_study(ledger.study())) return *study;
  throw InputError("the ledger is of the study \"" + ledger.study() +
                   "\", which this program does not know. Use the program that ran the sweep.");
}

namespace {

// An older program may have had other keys. Its runs are reported all the same.
std::string design_of(const Ledger& ledger) {
  try {
    return design_words(read_definition_text(ledger.definition_text(), "resolved.toml"));
  } catch (const InputError&) {
    return "";
  }
}

}  // namespace

ReportSource report_source(const Ledger& ledger) {
  const Study& study = study_of(ledger);
  return {ledger.name(),
          study.name,
          study.meaning,
          rows_of(ledger, study),
          study.metrics,
          study.figures,
          ledger.provenances(),
          ledger.definition_text(),
          [&ledger](const RunId& run) { return ledger.attachments(run); },
          design_of(ledger)};
}

}  // namespace palimpsest
