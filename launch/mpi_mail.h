#pragma once

#include <memory>
#include <optional>
#include <string>

namespace palimpsest {

class MpiWorld;

struct Letter {
  int from = 0;       // rank
  std::string text;
};

/// Letters between the ranks of the world. Neither call waits; letters of one rank arrive in order. For the main thread alone.
class MpiMail {
 public:
  explicit MpiMail(const MpiWorld&);   // a world of one has nobody to write to
  ~MpiMail();
  int world_size() const;
  void send(int rank, std::string text);
  std::optional<Letter> receive();
  bool all_sent();                     // what was sent has left this process

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace palimpsest
