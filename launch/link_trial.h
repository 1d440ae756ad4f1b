#pragma once

#include <memory>
#include <string>

#include "launch/host_facts.h"

namespace palimpsest {

/// Listens on all addresses of this host. Whoever connects is told a token, and answered when 64 KiB have come: more
/// than one frame, so that a network that loses large ones is found out, too.
class LinkListener {
 public:
  LinkListener();  // throws InputError where it cannot listen
  ~LinkListener();
  LinkListener(const LinkListener&) = delete;
  LinkListener& operator=(const LinkListener&) = delete;
  int port() const;
  const std::string& token() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Tries one address of a peer's listener; ends within a few seconds, whatever happens.
Link try_link(const Target&);

/// Tries all, several at a time.
std::vector<Link> try_links(const std::vector<Target>&);

}  // namespace palimpsest
