#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace palimpsest {

class MpiWorld;

struct Letter {
  int from = 0;       // rank
  std::string text;
};

/// Letters between the ranks of the world. Neither call waits; letters of one rank arrive in order. For the main thread alone.
///
/// Under an MPI that outlives the loss of a process (ULFM) letters of the others go on as before; under any other the world ends with it.
class MpiMail {
 public:
  explicit MpiMail(const MpiWorld&);   // a world of one has nobody to write to
  ~MpiMail();
  int world_size() const;
  void send(int rank, std::string text);
  std::optional<Letter> receive();
  bool all_sent();                     // what was sent has left this process; what was for a lost rank is dropped
  std::vector<int> take_lost();        // ranks that ended before their time, each told once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace palimpsest
