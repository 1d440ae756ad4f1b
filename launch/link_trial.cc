#include "launch/link_trial.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>

#include "runtime/error.h"

namespace palimpsest {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBytes = 65536, kTokenLength = 16;
constexpr int kConnectLimit = 3000, kAnswerLimit = 4000;  // milliseconds
constexpr std::size_t kAtOnce = 32;

class Socket {
 public:
  explicit Socket(int handle) : handle_(handle) {}
  ~Socket() {
    if (handle_ >= 0) close(handle_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int handle() const { return handle_; }

 private:
  const int handle_;
};

void limit_waiting(int socket, int milliseconds) {
  const timeval limit = {milliseconds / 1000, milliseconds % 1000 * 1000};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

bool read_all(int socket, char* bytes, std::size_t size) {
  for (ssize_t got; size > 0; bytes += got, size -= static_cast<std::size_t>(got))
    if ((got = recv(socket, bytes, size, 0)) <= 0) return false;
  return true;
}

bool write_all(int socket, const char* bytes, std::size_t size) {
  for (ssize_t gone; size > 0; bytes += gone, size -= static_cast<std::size_t>(gone))
    if ((gone = send(socket, bytes, size, MSG_NOSIGNAL)) <= 0) return false;
  return true;
}

void answer(int handle, const std::string& token) {
  const Socket socket(handle);
  limit_waiting(handle, kAnswerLimit);
  std::string bytes(kBytes, '\0');
  if (write_all(handle, token.data(), token.size()) && read_all(handle, bytes.data(), bytes.size()))
    write_all(handle, "!", 1);
}

std::string new_token() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

// "" where it stands.
std::string connect_to(int socket, const Target& target) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(target.port));
  inet_pton(AF_INET, target.address.c_str(), &address.sin_addr);
  if (connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return {};
  if (errno != EINPROGRESS) return std::strerror(errno);
  pollfd ready = {socket, POLLOUT, 0};
  if (poll(&ready, 1, kConnectLimit) == 0) return "no answer";
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  return error ? std::strerror(error) : "";
}

// "" where the right peer took all and said so.
std::string talk(int socket, const Target& target) {
  limit_waiting(socket, kAnswerLimit);
  std::array<char, kTokenLength> token{};
  if (!read_all(socket, token.data(), token.size())) return "connected, but nothing came";
  if (std::string_view(token.data(), token.size()) != target.token) return "another host answers there";
  const std::string bytes(kBytes, 'p');
  char end = 0;
  if (!write_all(socket, bytes.data(), bytes.size()) || !read_all(socket, &end, 1))
    return "small messages pass, 64 KiB do not (frame sizes, MTU, may differ)";
  return {};
}

}  // namespace

struct LinkListener::State {
  int socket = -1, port = 0;
  std::string token = new_token();
  std::atomic<bool> leaving{false};
  std::thread thread;

  void serve() {
    while (!leaving) {
      pollfd ready = {socket, POLLIN, 0};
      if (poll(&ready, 1, 100) <= 0) continue;
      if (const int peer = accept4(socket, nullptr, nullptr, SOCK_CLOEXEC); peer >= 0)
        std::thread(answer, peer, token).detach();
    }
  }
};

LinkListener::LinkListener() : state_(std::make_unique<State>()) {
  state_->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  socklen_t size = sizeof address;
  if (bind(state_->socket, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(state_->socket, SOMAXCONN) != 0)
    throw InputError(fmt::format("this host cannot listen for others: {}.", std::strerror(errno)));
  getsockname(state_->socket, reinterpret_cast<sockaddr*>(&address), &size);
  state_->port = ntohs(address.sin_port);
  state_->thread = std::thread([this] { state_->serve(); });
}

LinkListener::~LinkListener() {
  state_->leaving = true;
  state_->thread.join();
  close(state_->socket);
}

int LinkListener::port() const { return state_->port; }
const std::string& LinkListener::token() const { return state_->token; }

Link try_link(const Target& target) {
  const auto begun = Clock::now();
  const Socket one(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  std::string outcome = connect_to(one.handle(), target);
  const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  if (outcome.empty()) {
    fcntl(one.handle(), F_SETFL, fcntl(one.handle(), F_GETFL) & ~O_NONBLOCK);
    outcome = talk(one.handle(), target);
  }
  return {target.to, target.address, outcome, seconds};
}

std::vector<Link> try_links(const std::vector<Target>& targets) {
  std::vector<Link> links(targets.size());
  std::atomic<std::size_t> next{0};
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < std::min(kAtOnce, targets.size()); ++i)
    threads.emplace_back([&] {
      for (std::size_t at; (at = next++) < targets.size();) links[at] = try_link(targets[at]);
    });
  threads.clear();
  return links;
}

}  // namespace palimpsest
