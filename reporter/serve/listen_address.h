// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SERVE_LISTEN_ADDRESS_H_
#define PQLEASH_REPORTER_SERVE_LISTEN_ADDRESS_H_

#include <string>
#include <string_view>
#include <variant>

namespace pqleash::reporter {

// Where to listen.
struct ListenAddress {
  std::string host;      // a numeric address, without brackets
  int port = 0;          // 0 to 65,535; 0: any that is free
  bool loopback = true;  // nobody but this host reaches it
};

// '127.0.0.1:9878', '[::1]:9878', 'localhost:9878'. Names are not looked up: what is listened on
// must not depend on what a name server says. A string is a clause that says what is wrong. Pure.
std::variant<ListenAddress, std::string> ParseListenAddress(std::string_view text);

// Whether the Host header of a request names this host: 'localhost', a loopback address or `host`,
// with or without a port. A page of a stranger whose name was made to point here (DNS rebinding)
// sends its own name. Pure.
bool NamesThisHost(std::string_view host_header, const std::string& host);

// 'http://127.0.0.1:9878'.
std::string UrlOf(const ListenAddress& address, int port, bool tls);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_LISTEN_ADDRESS_H_
