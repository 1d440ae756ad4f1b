#include "runtime/error.h"
#include "sweeps/report.h"

namespace palimpsest {

ReportSource report_source(const Ledger& ledger) {
  const Study* study = find_study(ledger.study());
  if (!study)
    throw InputError("the ledger is of the study \"" + ledger.study() +
                     "\", which this program does not know. Make the report with the program that ran the sweep.");
  return {ledger.name(),
          study->name,
          study->meaning,
          rows_of(ledger, *study),
          study->metrics,
          study->figures,
          ledger.provenances(),
          ledger.definition_text(),
          [&ledger](const RunId& run) { return ledger.attachments(run); }};
}

}  // namespace palimpsest
