#pragma once

#include <chrono>

namespace palimpsest {

/// How a world came to its end before its work did.
struct LostWorld {
  std::chrono::milliseconds lived{0};
  bool worked = false;      // ranks had begun on what there is to do
  bool by_itself = true;    // neither was mpirun killed, nor did it hang
};

/// How often a world that is lost is started again. One that worked for long gives its restarts back; one that twice got nowhere within seconds would do
/// so each time.
class Restarts {
 public:
  explicit Restarts(int allowed) : allowed_(allowed), left_(allowed) {}
  void count(const LostWorld&);
  /// It was because of a host that is gone: without it the next may well work.
  void a_host_is_gone() { in_vain_ = 0; }

  bool in_vain() const { return in_vain_ > 0; }      // the last one got nowhere
  bool hopeless() const { return in_vain_ > 1; }
  bool none_left() const { return left_ < 0; }
  int left() const { return left_; }
  int number() const { return number_; }             // of the restart that comes now: 1, 2, ...

 private:
  const int allowed_;
  int left_, number_ = 0, in_vain_ = 0;
};

}  // namespace palimpsest
