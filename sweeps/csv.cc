#include "sweeps/csv.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace palimpsest {
namespace {

bool is_number(const std::string& text) {
  double number;
  const char* begin = text.data() + (text[0] == '+');
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

// What a spreadsheet would compute or run.
bool looks_like_a_formula(const std::string& text) {
  return !text.empty() && (std::string_view("=+-@").find(text[0]) != std::string_view::npos || static_cast<unsigned char>(text[0]) < 0x20) &&
         !is_number(text);
}

std::string csv_quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (char c : text) (out += c) += c == '"' ? "\"" : "";
  return out + "\"";
}

struct WriteCell {
  std::string operator()(const std::string& text) const { return csv_cell(text); }
  std::string operator()(std::int64_t number) const { return std::to_string(number); }
  std::string operator()(double number) const {
    if (std::isnan(number)) return {};
    char digits[40];
    return {digits, std::to_chars(digits, digits + sizeof digits, number).ptr};
  }
};

struct SayCell {
  std::string operator()(const std::string& text) const {
    std::string out;
    for (char c : text) out += c == '|' ? "\\|" : c == '\n' ? " " : std::string(1, c);
    return out;
  }
  std::string operator()(std::int64_t number) const { return std::to_string(number); }
  std::string operator()(double number) const {
    if (std::isnan(number)) return {};
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.4g", number);
    return digits;
  }
};

}  // namespace

std::string csv_cell(const std::string& text) { return csv_quoted(looks_like_a_formula(text) ? "'" + text : text); }

std::string markdown(const Table& table) {
  std::string head = "|", line = "|", out;
  for (const auto& column : table.columns()) head += " " + SayCell()(column) + " |", line += "---|";
  for (const auto& row : table.rows()) {
    out += "|";
    for (const Cell& cell : row) out += " " + std::visit(SayCell(), cell) + " |";
    out += "\n";
  }
  return head + "\n" + line + "\n" + out;
}

std::string csv(const Table& table) {
  std::string out;
  const auto separate = [&](bool first) { out += first ? "" : ","; };
  for (std::size_t c = 0; c < table.columns().size(); ++c) separate(c == 0), out += WriteCell()(table.columns()[c]);
  out += "\n";
  for (const auto& row : table.rows()) {
    for (std::size_t c = 0; c < row.size(); ++c) separate(c == 0), out += std::visit(WriteCell(), row[c]);
    out += "\n";
  }
  return out;
}

}  // namespace palimpsest
