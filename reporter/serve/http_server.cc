// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/http_server.h"

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "reporter/serve/request_head.h"

namespace pqleash::reporter {
namespace {

using std::chrono::milliseconds;

// A scrape over a network takes milliseconds; a person with a terminal may take seconds.
constexpr Patience kForRequest = {milliseconds(5'000), milliseconds(250)};
constexpr Patience kForAnswer = {milliseconds(20'000), milliseconds(2'000)};

// A request that has been read, and the wire for its answer.
class Exchange : public httplib::Stream {
 public:
  Exchange(std::string_view head, Wire* wire) : head_(head), wire_(wire) {}

  bool is_readable() const override { return !head_.empty(); }
  bool is_writable() const override { return !broken_; }
  ssize_t read(char* bytes, size_t size) override {
    const size_t part = std::min(size, head_.size());
    std::memcpy(bytes, head_.data(), part);
    head_.remove_prefix(part);
    return static_cast<ssize_t>(part);
  }
  ssize_t write(const char* bytes, size_t size) override {
    broken_ = broken_ || !wire_->Write({bytes, size}, kForAnswer);
    return broken_ ? -1 : static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  socket_t socket() const override { return wire_->socket(); }

 private:
  std::string_view head_;
  Wire* const wire_;
  bool broken_ = false;
};

std::string_view Reason(int status) {
  switch (status) {
    case 408:
      return "Request Timeout";
    case 414:
      return "URI Too Long";
    case 431:
      return "Request Header Fields Too Large";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Bad Request";
  }
}

std::string Refusal(int status) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Length: 0\r\nCache-Control: "
      "no-store\r\n\r\n",
      status, Reason(status));
}

}  // namespace

// The library's parser of requests and writer of answers. Its own sockets and threads have no
// bounds that would hold here: neither a time for a whole request nor a number of headers.
class HttpServer::Protocol : public httplib::Server {
 public:
  explicit Protocol(const HttpServer::Handler& handler) {
    // Answers are written as long as there is a listening socket, which is not its own here. It is
    // never closed or read but by functions that are not called.
    svr_sock_ = 0;
    // Before its own routing, which would read bodies first.
    set_pre_routing_handler([&handler](const httplib::Request& in, httplib::Response& out) {
      const HttpAnswer answer = handler(
          {in.method, in.path, in.get_header_value("Host"), in.get_header_value("Authorization")});
      Fill(answer, &out);
      return HandlerResponse::Handled;
    });
  }

  void Answer(Exchange* exchange) {
    bool closed = false;
    process_request(*exchange, /*close_connection=*/true, closed, nullptr);
  }

 private:
  static void Fill(const HttpAnswer& answer, httplib::Response* out) {
    out->status = answer.status;
    for (const auto& [name, value] : answer.headers) out->set_header(name.c_str(), value);
    if (answer.body == nullptr || answer.body->empty()) {
      out->set_content("", answer.type.c_str());
      return;
    }
    // Shared by all who ask at a time, not copied for each.
    out->set_content_provider(
        answer.body->size(), answer.type.c_str(),
        [body = answer.body](size_t offset, size_t length, httplib::DataSink& sink) {
          return sink.write(body->data() + offset, length);
        });
  }
};

HttpServer::HttpServer(Listener::Bounds bounds, TlsContext tls, Handler handler)
    : tls_(std::move(tls)),
      handler_(std::move(handler)),
      protocol_(std::make_unique<Protocol>(handler_)),
      listener_(bounds) {}

HttpServer::~HttpServer() = default;

std::optional<std::string> HttpServer::Start(const ListenAddress& address) {
  if (auto problem = listener_.Bind(address)) return problem;
  listener_.Start([this](int socket) { Serve(socket); });
  return std::nullopt;
}

void HttpServer::Serve(int socket) {
  Wire wire(socket, tls_.get(), [this] { return listener_.HasWaiting(); });
  if (!wire.ShakeHands(kForRequest)) return;
  const std::string bytes = wire.ReadUntil(IsWholeHead, kMaxHeadBytes, kForRequest);
  if (bytes.empty()) return;
  const RequestHead head = CheckHead(bytes);
  if (head.status == 0) {
    Exchange exchange(head.text, &wire);
    protocol_->Answer(&exchange);
  } else {
    // What has not come to its end in time is no bad request.
    constexpr int kTimeout = 408;
    const bool too_slow = !IsWholeHead(bytes) && bytes.size() < kMaxHeadBytes;
    wire.Write(Refusal(too_slow ? kTimeout : head.status), kForAnswer);
  }
  wire.End();
}

}  // namespace pqleash::reporter
