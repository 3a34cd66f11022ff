// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace pqleash::reporter {
namespace {

constexpr int kBacklog = 512;

struct SocketAddress {
  struct sockaddr_storage storage = {};
  socklen_t size = 0;
};

SocketAddress ToSocketAddress(const ListenAddress& address) {
  SocketAddress result;
  auto* six = reinterpret_cast<struct sockaddr_in6*>(&result.storage);
  if (inet_pton(AF_INET6, address.host.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(static_cast<uint16_t>(address.port));
    result.size = sizeof *six;
    return result;
  }
  auto* four = reinterpret_cast<struct sockaddr_in*>(&result.storage);
  *four = {};
  inet_pton(AF_INET, address.host.c_str(), &four->sin_addr);
  four->sin_family = AF_INET;
  four->sin_port = htons(static_cast<uint16_t>(address.port));
  result.size = sizeof *four;
  return result;
}

// In the clear and without waiting: whoever is turned away costs nothing more.
void TurnAway(int socket) {
  constexpr char kAnswer[] =
      "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n"
      "Retry-After: 1\r\n\r\n";
  (void)!send(socket, kAnswer, sizeof kAnswer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
  close(socket);
}

}  // namespace

Listener::~Listener() {
  Stop();
  if (listening_ >= 0) close(listening_);
  if (wake_read_ >= 0) close(wake_read_);
}

std::optional<std::string> Listener::Bind(const ListenAddress& address) {
  const auto problem = [&] {
    return fmt::format("cannot listen on {}, port {}: {}", address.host, address.port,
                       std::strerror(errno));
  };
  const SocketAddress wanted = ToSocketAddress(address);
  listening_ = socket(wanted.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listening_ < 0) return problem();
  const int on = 1;
  // Not SO_REUSEPORT: a second one on the same port is a mistake.
  setsockopt(listening_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  SocketAddress bound;
  bound.size = sizeof bound.storage;
  if (bind(listening_, reinterpret_cast<const struct sockaddr*>(&wanted.storage), wanted.size) !=
          0 ||
      listen(listening_, kBacklog) != 0 ||
      getsockname(listening_, reinterpret_cast<struct sockaddr*>(&bound.storage), &bound.size) !=
          0) {
    return problem();
  }
  // The port is at the same place in both families.
  port_ = ntohs(reinterpret_cast<const struct sockaddr_in*>(&bound.storage)->sin_port);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return problem();
  wake_read_ = ends[0];
  wake_write_ = ends[1];
  return std::nullopt;
}

void Listener::Start(std::function<void(int socket)> serve) {
  serve_ = std::move(serve);
  threads_.emplace_back([this] { Accept(); });
  for (size_t i = 0; i < bounds_.threads; ++i) threads_.emplace_back([this] { Work(); });
}

void Listener::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  if (wake_write_ >= 0) close(wake_write_);
  wake_write_ = -1;
  arrived_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool Listener::HasWaiting() const {
  const std::lock_guard lock(mutex_);
  return !waiting_.empty() || stopping_;
}

void Listener::Accept() {
  for (;;) {
    struct pollfd polled[] = {{listening_, POLLIN, 0}, {wake_read_, 0, 0}};
    if (poll(polled, 2, -1) < 0 && errno != EINTR) return;
    if (polled[1].revents != 0) return;
    const int client = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client >= 0) {
      Enqueue(client);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // Until something is free again: the client waits in the kernel meanwhile.
      constexpr int kPauseMs = 20;
      poll(&polled[1], 1, kPauseMs);
    }
  }
}

void Listener::Enqueue(int socket) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() < bounds_.waiting) {
      waiting_.push_back(socket);
      socket = -1;
    }
  }
  if (socket >= 0) {
    TurnAway(socket);
  } else {
    arrived_.notify_one();
  }
}

void Listener::Work() {
  for (;;) {
    int socket = -1;
    {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      socket = waiting_.front();
      waiting_.pop_front();
    }
    serve_(socket);
  }
}

}  // namespace pqleash::reporter
