#pragma once

namespace palimpsest {

/// SIGTERM, SIGINT and SIGHUP ask for an orderly stop from here on. A second SIGINT ends the process at once.
void catch_stop_signals();

/// Whether one of them came, or request_stop was called. Cheap, from any thread.
bool stop_requested();
void request_stop();

}  // namespace palimpsest
