#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace palimpsest {

/// A child process that is spoken with in lines, through its input and output. It ends with this: its input is closed,
/// and where it stays, it is killed.
class Conversation {
 public:
  explicit Conversation(const std::vector<std::string>& command);
  ~Conversation();
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  bool say(const std::string& line);  // false where it is gone
  /// The next line; nothing where none came in time, or it is gone.
  std::optional<std::string> hear(std::chrono::milliseconds patience);
  /// Its last line of complaint (standard error); empty where it had none.
  std::string complaint();
  /// Its exit code, once it has ended by itself; nothing while it runs.
  std::optional<int> ended();

 private:
  pid_t child_ = -1;
  int to_ = -1, from_ = -1, complaints_ = -1;
  std::string heard_;
  std::optional<int> status_;
};

}  // namespace palimpsest
