#include "sweeps/html.h"

#include <cctype>

#include <nlohmann/json.hpp>

namespace palimpsest {
namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Up to three bytes as four digits, those beyond the end as "=".
void append_base64(std::string& out, std::span<const std::byte> three) {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < 3; ++i)
    bits = bits << 8 | (i < three.size() ? std::to_integer<std::uint32_t>(three[i]) : 0);
  for (std::size_t i = 0; i < 4; ++i) out += i <= three.size() ? kBase64[bits >> (18 - 6 * i) & 63] : '=';
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  return out;
}

std::string json_for_page(const nlohmann::json& json) {
  std::string out;
  for (char c : json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)) {
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  }
  return out;
}

std::string data_address(std::string_view media_type, std::span<const std::byte> bytes) {
  std::string out = "data:" + std::string(media_type) + ";base64,";
  out.reserve(out.size() + bytes.size() / 3 * 4 + 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3)
    append_base64(out, bytes.subspan(i, std::min<std::size_t>(3, bytes.size() - i)));
  return out;
}

std::string slug(std::string_view title) {
  std::string out;
  for (char c : title) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte))
      out += static_cast<char>(std::tolower(byte));
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  while (out.ends_with('-')) out.pop_back();
  return out.empty() ? "figure" : out;
}

}  // namespace palimpsest
