#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sweeps/csv.h"
#include "sweeps/figure_data.h"
#include "sweeps/verdict.h"

namespace palimpsest {

Table claims_table(const std::vector<ClaimResult>&);  // a row for each part: every number a verdict hangs on
Table units_table(const std::vector<ClaimResult>&);   // a row for each part and unit: the dots of the plots
Table conditions_table(const Rows&);                  // a row for each point of the grid: runs done, failed, waiting
Table failures_table(const Rows&);                    // a row for each failed run, with its reason
Table figure_units_table(const Figure&, const FigureConditions&);
Table figure_means_table(const Figure&, const FigureConditions&);

/// All of a report's tables by file name, without ".csv"; each is made when it is asked for, since all together they are large. What is given must
/// outlive them.
std::map<std::string, std::function<Table()>> report_tables(const Rows&, const std::vector<ClaimResult>&, const std::vector<Figure>&,
                                                            const FigureConditions&);

}  // namespace palimpsest
