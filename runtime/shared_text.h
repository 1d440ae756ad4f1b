#pragma once

#include <memory>
#include <string>
#include <utility>

namespace palimpsest {

/// Text that very many things hold: copies share it. It is not changed, only replaced.
class SharedText {
 public:
  SharedText() = default;
  SharedText(std::string text) : text_(std::make_shared<const std::string>(std::move(text))) {}
  SharedText(const char* text) : SharedText(std::string(text)) {}
  const std::string& str() const {
    static const std::string none;
    return text_ ? *text_ : none;
  }
  bool operator==(const SharedText& other) const { return text_ == other.text_ || str() == other.str(); }

 private:
  std::shared_ptr<const std::string> text_;   // null: empty
};

}  // namespace palimpsest
