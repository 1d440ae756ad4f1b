#pragma once

#include <string>

#include "runtime/error.h"

namespace palimpsest {

/// A value that its key allows, but other keys or what the definition names do not: an epoch after the last one, a block that the weights
/// do not have. Who knows the definition says where the key stands.
class KeyError : public InputError {
 public:
  KeyError(std::string key, const std::string& what) : InputError(what), key_(std::move(key)) {}
  const std::string& key() const { return key_; }

 private:
  std::string key_;
};

}  // namespace palimpsest
