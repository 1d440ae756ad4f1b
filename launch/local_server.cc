#include "launch/local_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "runtime/error.h"

namespace palimpsest {
namespace {

constexpr std::size_t kLongestRequest = 16 * 1024;
constexpr int kSlowest = 2000;   // milliseconds between two parts of a request or of its answer

/// A connection, closed at the end.
class Connection {
 public:
  explicit Connection(int socket) : socket_(socket) {}
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// The head of a request; empty where it does not come whole.
  std::string head() const {
    std::string text;
    char part[2048];
    while (text.find("\r\n\r\n") == std::string::npos) {
      if (text.size() > kLongestRequest || !ready(POLLIN)) return {};
      const ssize_t count = ::recv(socket_, part, sizeof part, 0);
      if (count <= 0) return {};
      text.append(part, static_cast<std::size_t>(count));
    }
    return text;
  }

  void send(std::string_view text) const {
    while (!text.empty() && ready(POLLOUT)) {
      const ssize_t count = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(count));
    }
  }

 private:
  bool ready(short what) const {
    pollfd one{socket_, what, 0};
    return ::poll(&one, 1, kSlowest) == 1;
  }
  int socket_;
};

std::string response(const char* status, const Response& said) {
  return fmt::format("HTTP/1.1 {}\r\nContent-Type: {}; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n"
                     "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
                     "style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'self'\r\n\r\n",
                     status, said.type, said.body.size()) + said.body;
}

std::string refusal(const char* status) { return response(status, {"text/plain", std::string(status) + "\n"}); }

std::string host_of(const std::string& head) {
  for (std::size_t line = head.find("\r\n"); line != std::string::npos; line = head.find("\r\n", line + 2)) {
    if (::strncasecmp(head.c_str() + line + 2, "host:", 5) != 0) continue;
    std::string host = head.substr(line + 7, head.find("\r\n", line + 2) - line - 7);
    host.erase(0, host.find_first_not_of(" \t"));
    return host.substr(0, host.find(':'));
  }
  return {};
}

std::string answer_to(const std::string& head, const std::function<std::optional<Response>(const std::string&)>& answer) {
  if (!head.starts_with("GET ")) return refusal("405 Method Not Allowed");
  const std::string host = host_of(head);
  if (host != "127.0.0.1" && host != "localhost") return refusal("403 Forbidden");
  const std::string target = head.substr(4, head.find_first_of(" \r\n", 4) - 4), path = target.substr(0, target.find('?'));
  const auto said = answer(path);
  return said ? response("200 OK", *said) : refusal("404 Not Found");
}

}  // namespace

LocalServer::LocalServer(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const int yes = 1;
  ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (socket_ < 0 || ::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(socket_, 16) != 0) {
    const std::string why = std::strerror(errno);
    if (socket_ >= 0) ::close(socket_);
    throw InputError(fmt::format("port {} of 127.0.0.1: {}. Name another with --port, or leave it out for one that is free.", port, why));
  }
  ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
}

LocalServer::~LocalServer() { ::close(socket_); }

void LocalServer::serve(double seconds, const std::function<std::optional<Response>(const std::string&)>& answer) {
  pollfd one{socket_, POLLIN, 0};
  if (::poll(&one, 1, static_cast<int>(1000 * seconds)) != 1) return;
  const int accepted = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
  if (accepted < 0) return;
  const Connection connection(accepted);
  if (const std::string head = connection.head(); !head.empty()) connection.send(answer_to(head, answer));
}

}  // namespace palimpsest
