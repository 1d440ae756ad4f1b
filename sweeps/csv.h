#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace palimpsest {

/// One cell of a table: text, a whole number, or a number (an empty cell where it is none).
using Cell = std::variant<std::string, std::int64_t, double>;

/// A table with named columns, as RFC 4180 writes it. Numbers read back to the same bits. Text that a spreadsheet would
/// take for a formula (it begins with = + - @ or a control character) gets an apostrophe before it.
class Table {
 public:
  explicit Table(std::vector<std::string> columns) : columns_(std::move(columns)) {}
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  const std::vector<std::string>& columns() const { return columns_; }
  const std::vector<std::vector<Cell>>& rows() const { return rows_; }

 private:
  std::vector<std::string> columns_;
  std::vector<std::vector<Cell>> rows_;
};
std::string csv(const Table&);
/// The same for a text: four digits a number, bars within cells escaped.
std::string markdown(const Table&);

/// One cell of text: quoted as in RFC 4180, and with a ' before it where a spreadsheet would take it for a formula.
std::string csv_cell(const std::string& text);

}  // namespace palimpsest
