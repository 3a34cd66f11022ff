// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SERVE_HTTP_SERVER_H_
#define PQLEASH_REPORTER_SERVE_HTTP_SERVER_H_

#include <functional>
#include <optional>
#include <string>

#include "reporter/serve/http_message.h"
#include "reporter/serve/listen_address.h"
#include "reporter/serve/listener.h"
#include "reporter/serve/wire.h"

namespace pqleash::reporter {

// HTTP with bounds: one request a connection, whose head is bounded in size and time; no bodies, no
// ranges, no compression; a fixed number of threads.
class HttpServer {
 public:
  using Handler = std::function<HttpAnswer(const HttpRequest&)>;

  // `handler` is called by several threads at once. `tls` may be nullptr: in the clear.
  HttpServer(Listener::Bounds bounds, TlsContext tls, Handler handler);
  // Stops.
  ~HttpServer();

  // Binds, and answers from then on. A string is a sentence that says why not.
  std::optional<std::string> Start(const ListenAddress& address);
  int port() const { return listener_.port(); }
  void Stop() { listener_.Stop(); }

 private:
  void Serve(int socket);

  const TlsContext tls_;
  const Handler handler_;
  Listener listener_;  // its threads use all of the above
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_HTTP_SERVER_H_
