#include "launch/stop_signal.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

namespace palimpsest {
namespace {

std::atomic<bool> requested{false}, without_launcher{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // touched by a signal handler

void on_signal(int signal) {
  if (requested.exchange(true) && signal == SIGINT) _exit(3);
}

}  // namespace

void catch_stop_signals() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaction(signal, &action, nullptr);
}

bool stop_requested() { return requested; }
void request_stop() { requested = true; }

void request_stop_without_launcher() {
  without_launcher = true;
  requested = true;
}
bool launcher_gone() { return without_launcher; }

}  // namespace palimpsest
