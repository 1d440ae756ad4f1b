#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace palimpsest {

/// `folder/NAME.svg` and `NAME.pdf` of Vega-Lite specifications, drawn by processes of the Python package vl-convert (that of the environment this program was
/// built with, or of the first `python3` on PATH that has it) while the caller does something else. What is there already and was drawn from the same
/// specification stays as it is: `folder/drawn.json` says which that is.
class Drawing {
 public:
  /// A name and what makes its specification: it is large, so it is made when its turn comes.
  using Specifications = std::map<std::string, std::function<nlohmann::json()>>;

  /// Begins. Throws InputError where the folder cannot be written to.
  Drawing(const Specifications&, const std::filesystem::path& folder);
  /// Ends processes that still draw.
  ~Drawing();
  Drawing(const Drawing&) = delete;

  std::size_t figures() const;   // of these specifications
  std::size_t begun() const;     // of them those that are drawn now
  /// Why nothing can be drawn; empty where it can.
  const std::string& problem() const;
  /// Waits, and writes each file whole or not at all. Returns why none was written; empty where all are there.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace palimpsest
