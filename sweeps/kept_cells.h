#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runtime/settings.h"

namespace palimpsest {

struct Definition;

/// The product of a definition's axes, the first slowest: its cells by number, and the place of each on every axis.
class Product {
 public:
  explicit Product(const Definition&);                     // the grid's axes, then its bundles
  std::size_t axes() const { return counts_.size(); }
  std::int64_t count(std::size_t axis) const { return counts_[axis]; }
  std::int64_t cells() const { return cells_; }
  std::int64_t place(std::int64_t cell, std::size_t axis) const { return cell / strides_[axis] % counts_[axis]; }
  std::int64_t stride(std::size_t axis) const { return strides_[axis]; }
  /// The combinations of places on some axes, the first slowest: how many, that of a cell by number, and the first cell that has it.
  std::int64_t combinations(const std::vector<std::size_t>& axes) const;
  std::int64_t combination_of(std::int64_t cell, const std::vector<std::size_t>& axes) const;
  std::int64_t cell_with(std::int64_t combination, const std::vector<std::size_t>& axes) const;

 private:
  std::vector<std::int64_t> counts_, strides_;
  std::int64_t cells_ = 1;
};

/// The keys that an axis of the product sets.
std::vector<std::string> keys_of_axis(const Definition&, std::size_t axis);
/// What it sets the key-th of them to at a place.
const Value& value_at(const Definition&, std::size_t axis, std::size_t key, std::size_t place);

/// The cells that are run: all of them, or those that `when` and exclusions leave, one bit a cell.
class KeptCells {
 public:
  KeptCells(const Definition&, const Product&);
  std::int64_t size() const { return size_; }
  bool contains(std::int64_t cell) const { return bits_.empty() || (bits_[static_cast<std::size_t>(cell / 64)] >> (cell % 64) & 1) != 0; }
  std::int64_t cell(std::int64_t place) const;             // of the place-th that is kept
  std::int64_t place(std::int64_t cell) const;             // of one that is kept
  std::int64_t next(std::int64_t cell) const;              // the next that is kept; there must be one

 private:
  std::int64_t size_ = 0;
  std::vector<std::uint64_t> bits_;                        // empty: all are kept
  std::vector<std::int64_t> before_;                       // kept before each group of kWords words
};

}  // namespace palimpsest
