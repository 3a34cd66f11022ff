// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/wire.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

namespace pqleash::reporter {
namespace {

constexpr std::chrono::milliseconds kGlance{20};  // between looks at who else waits
constexpr size_t kChunk = 4 << 10;

std::string TlsProblem(const std::string& what, const std::string& path) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return fmt::format("{} {} cannot be used: {}", what, path,
                     reason == nullptr ? "OpenSSL gives no reason" : reason);
}

}  // namespace

std::variant<TlsContext, std::string> MakeTlsContext(const std::string& certificate_path,
                                                     const std::string& key_path) {
  ERR_clear_error();
  TlsContext context(SSL_CTX_new(TLS_server_method()));
  if (!context) return std::string("OpenSSL gives no TLS context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Each scrape is a connection of its own: nothing is resumed, nothing is remembered.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate_path.c_str()) != 1) {
    return TlsProblem("the certificate", certificate_path);
  }
  struct stat status = {};
  if (stat(key_path.c_str(), &status) == 0 && (status.st_mode & 07) != 0) {
    return fmt::format(
        "the private key {} is open to everybody (mode {:04o}), expected 0600 or 0640: `chmod "
        "o-rwx` it",
        key_path, status.st_mode & 07777);
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), key_path.c_str(), SSL_FILETYPE_PEM) != 1) {
    return TlsProblem("the private key", key_path);
  }
  if (SSL_CTX_check_private_key(context.get()) != 1) {
    ERR_clear_error();
    return fmt::format("the private key {} is not that of the certificate {}", key_path,
                       certificate_path);
  }
  return context;
}

Wire::Wire(int socket, SSL_CTX* tls, std::function<bool()> others_wait)
    : socket_(socket), others_wait_(std::move(others_wait)) {
  if (tls == nullptr) return;
  ssl_ = SSL_new(tls);
  if (ssl_ != nullptr) SSL_set_fd(ssl_, socket_);
}

Wire::~Wire() {
  SSL_free(ssl_);
  close(socket_);
}

short Wire::Wanted(ssize_t result, short otherwise) const {
  if (ssl_ == nullptr) return errno == EAGAIN || errno == EINTR ? otherwise : short{0};
  switch (SSL_get_error(ssl_, static_cast<int>(result))) {
    case SSL_ERROR_WANT_READ:
      return POLLIN;
    case SSL_ERROR_WANT_WRITE:
      return POLLOUT;
    default:
      return 0;
  }
}

bool Wire::WaitFor(short events, Clock::time_point begun, Patience patience) const {
  while (events != 0) {
    const auto waited = Clock::now() - begun;
    if (waited >= patience.alone || (waited >= patience.in_company && others_wait_())) return false;
    struct pollfd polled = {socket_, events, 0};
    const int ready = poll(&polled, 1, static_cast<int>(kGlance.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
  return false;
}

bool Wire::ShakeHands(Patience patience) {
  if (ssl_ == nullptr) return true;
  const auto begun = Clock::now();
  for (;;) {
    ERR_clear_error();
    const int result = SSL_accept(ssl_);
    if (result == 1) return true;
    if (!WaitFor(Wanted(result, 0), begun, patience)) return false;
  }
}

std::string Wire::ReadUntil(const std::function<bool(std::string_view)>& is_whole, size_t most,
                            Patience patience) {
  const auto begun = Clock::now();
  std::string bytes;
  char chunk[kChunk];
  while (bytes.size() < most && !is_whole(bytes)) {
    const size_t size = std::min(sizeof chunk, most - bytes.size());
    ERR_clear_error();
    const ssize_t got = ssl_ != nullptr ? SSL_read(ssl_, chunk, static_cast<int>(size))
                                        : recv(socket_, chunk, size, 0);
    if (got > 0) {
      bytes.append(chunk, static_cast<size_t>(got));
      // A byte at a time is no way to be waited for.
      const auto waited = Clock::now() - begun;
      if (waited >= patience.alone || (waited >= patience.in_company && others_wait_())) break;
      continue;
    }
    if (got == 0 && ssl_ == nullptr) break;
    if (!WaitFor(Wanted(got, POLLIN), begun, patience)) break;
  }
  return bytes;
}

bool Wire::Write(std::string_view bytes, Patience patience) {
  const auto begun = Clock::now();
  while (!bytes.empty()) {
    ERR_clear_error();
    const size_t size = std::min<size_t>(bytes.size(), std::numeric_limits<int>::max());
    const ssize_t put = ssl_ != nullptr ? SSL_write(ssl_, bytes.data(), static_cast<int>(size))
                                        : send(socket_, bytes.data(), size, MSG_NOSIGNAL);
    if (put > 0) {
      bytes.remove_prefix(static_cast<size_t>(put));
      continue;
    }
    if (!WaitFor(Wanted(put, POLLOUT), begun, patience)) return false;
  }
  return true;
}

void Wire::End() {
  constexpr Patience kMoment = {std::chrono::milliseconds(500), std::chrono::milliseconds(50)};
  constexpr size_t kMostThrownAway = 256 << 10;
  if (ssl_ != nullptr) SSL_shutdown(ssl_);
  if (shutdown(socket_, SHUT_WR) != 0) return;
  const auto begun = Clock::now();
  char chunk[kChunk];
  for (size_t thrown = 0; thrown < kMostThrownAway;) {
    const ssize_t got = recv(socket_, chunk, sizeof chunk, 0);
    if (got == 0) return;
    if (got > 0) {
      thrown += static_cast<size_t>(got);
    } else if (errno != EAGAIN || !WaitFor(POLLIN, begun, kMoment)) {
      return;
    }
  }
}

}  // namespace pqleash::reporter
