// SPDX-License-Identifier: Apache-2.0
//
// One client's connection, in the clear or through TLS, that takes no longer than we have patience.

#ifndef PQLEASH_REPORTER_SERVE_WIRE_H_
#define PQLEASH_REPORTER_SERVE_WIRE_H_

#include <openssl/ssl.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace pqleash::reporter {

// How long a client may take for one thing: less while others wait for their turn.
struct Patience {
  std::chrono::milliseconds alone;
  std::chrono::milliseconds in_company;
};

struct FreeTls {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using TlsContext = std::unique_ptr<SSL_CTX, FreeTls>;

// TLS 1.2 and later, with this certificate (and what follows it in its file) and key, in PEM. A
// string is a sentence that says what is wrong.
std::variant<TlsContext, std::string> MakeTlsContext(const std::string& certificate_path,
                                                     const std::string& key_path);

// Not thread-safe.
class Wire {
 public:
  // Takes `socket` over, which does not block. `tls` may be nullptr: in the clear.
  Wire(int socket, SSL_CTX* tls, std::function<bool()> others_wait);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // Of TLS; true without.
  bool ShakeHands(Patience patience);
  // Reads until `is_whole` says so, `most` bytes are there, the client ends, or patience does.
  std::string ReadUntil(const std::function<bool(std::string_view)>& is_whole, size_t most,
                        Patience patience);
  // False: the client is gone, or too slow.
  bool Write(std::string_view bytes, Patience patience);
  // Says that nothing more comes, and lets the client read it: what it still sends is thrown away
  // for a moment, since closing before would take back what was written.
  void End();

  int socket() const { return socket_; }

 private:
  using Clock = std::chrono::steady_clock;

  // Waits for what `result` of an SSL or socket call asks for. False: there is nothing to wait for,
  // or patience has ended.
  bool WaitFor(short events, Clock::time_point begun, Patience patience) const;
  // Events to wait for after a call that returned `result`; 0: it is over.
  short Wanted(ssize_t result, short otherwise) const;

  const int socket_;
  SSL* ssl_ = nullptr;
  const std::function<bool()> others_wait_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_WIRE_H_
