#pragma once

#include <functional>
#include <optional>
#include <string>

namespace palimpsest {

struct Response {
  std::string type, body;   // "application/json", ...
};

/// A web server for one reader on this machine: bound to 127.0.0.1, answers GET, one request a connection, one after the other. A request that
/// names another host (a page elsewhere that points its own name here) is refused, as is one that is too long or too slow.
class LocalServer {
 public:
  /// Port 0: any that is free. Throws InputError where the port is taken.
  explicit LocalServer(int port);
  ~LocalServer();
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;

  int port() const { return port_; }
  /// Answers one request if one comes within `seconds`. `answer` gives the response to a path, nothing where there is no such page.
  void serve(double seconds, const std::function<std::optional<Response>(const std::string& path)>& answer);

 private:
  int socket_ = -1, port_ = 0;
};

}  // namespace palimpsest
