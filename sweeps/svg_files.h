#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace palimpsest {

/// Writes `folder/NAME.svg` and `NAME.pdf` for each Vega-Lite specification (large, so it is made when its turn comes), by the Python package vl-convert: that of the environment
/// this program was built with, or of the first `python3` on PATH that has it. Returns why none was written; empty when
/// all were.
std::string write_svg_files(const std::map<std::string, std::function<nlohmann::json()>>& specifications,
                            const std::filesystem::path& folder);

}  // namespace palimpsest
