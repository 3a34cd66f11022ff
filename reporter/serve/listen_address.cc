// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/listen_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <charconv>
#include <optional>

namespace pqleash::reporter {
namespace {

// 127.0.0.0/8 and ::1, also when written as an IPv4 address in IPv6. No value: no numeric address.
std::optional<bool> IsLoopback(const std::string& host) {
  constexpr uint32_t kLoopbackNetwork = 127;
  struct in_addr four = {};
  if (inet_pton(AF_INET, host.c_str(), &four) == 1) {
    return ntohl(four.s_addr) >> 24 == kLoopbackNetwork;
  }
  struct in6_addr six = {};
  if (inet_pton(AF_INET6, host.c_str(), &six) == 1) {
    if (IN6_IS_ADDR_V4MAPPED(&six)) return six.s6_addr[12] == kLoopbackNetwork;
    return IN6_IS_ADDR_LOOPBACK(&six) != 0;
  }
  return std::nullopt;
}

std::optional<int> ParsePort(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (port < 0 || port > 65'535 || text.front() == '-') return std::nullopt;
  return port;
}

}  // namespace

std::variant<ListenAddress, std::string> ParseListenAddress(std::string_view text) {
  constexpr std::string_view kExpected =
      "expected ADDRESS:PORT, as in 127.0.0.1:9878 or [::1]:9878, with port 0 for any";
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return fmt::format("'{}' has no port, {}", text, kExpected);
  }
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != std::string_view::npos) {
    return fmt::format("'{}' is an IPv6 address without brackets, {}", text, kExpected);
  }
  const std::optional<int> port = ParsePort(text.substr(colon + 1));
  if (!port) return fmt::format("'{}' has no port from 0 to 65535, {}", text, kExpected);
  ListenAddress address;
  address.host = host == "localhost" && !bracketed ? "127.0.0.1" : std::string(host);
  address.port = *port;
  const std::optional<bool> loopback = IsLoopback(address.host);
  const bool is_six = address.host.find(':') != std::string::npos;
  if (!loopback || is_six != bracketed) {
    return fmt::format("'{}' begins with no numeric address, {}", text, kExpected);
  }
  address.loopback = *loopback;
  return address;
}

bool NamesThisHost(std::string_view host_header, const std::string& host) {
  std::string_view name = host_header;
  if (!name.empty() && name.front() == '[') {
    const size_t end = name.find(']');
    if (end == std::string_view::npos) return false;
    name = name.substr(1, end - 1);
  } else {
    name = name.substr(0, name.find(':'));
  }
  const std::string text(name);
  return text == "localhost" || text == host || IsLoopback(text).value_or(false);
}

std::string UrlOf(const ListenAddress& address, int port, bool tls) {
  const bool six = address.host.find(':') != std::string::npos;
  return fmt::format("http{}://{}{}{}:{}", tls ? "s" : "", six ? "[" : "", address.host,
                     six ? "]" : "", port);
}

}  // namespace pqleash::reporter
