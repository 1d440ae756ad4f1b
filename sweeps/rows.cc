#include "sweeps/rows.h"

namespace palimpsest {

Rows rows_of(const Ledger& ledger, const Study& study) {
  return {study.unit,
          study.axis_keys,
          ledger.axes(),
          ledger.runs(),
          ledger.claims(),
          [&ledger](const std::string& metric, const Rows::TakeMeasurement& take) {
            ledger.for_each_measurement(metric, take);
          }};
}

}  // namespace palimpsest
