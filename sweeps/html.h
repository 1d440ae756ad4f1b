#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace palimpsest {

/// Text for between tags and inside quoted attributes: & < > " ' written out.
std::string escaped(std::string_view text);

/// JSON for between <script> tags: no "<" is left in it, so no "</script>" can end it; bytes that are no UTF-8 are
/// replaced.
std::string json_for_page(const nlohmann::json&);

/// A picture as the address of itself: "data:image/png;base64,...".
std::string data_address(std::string_view media_type, std::span<const std::byte> bytes);

/// "Alignment by layer" -> "alignment-by-layer": for file names and anchors.
std::string slug(std::string_view title);

}  // namespace palimpsest
