// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/http_server.h"

#include <exception>
#include <string>
#include <utility>

#include "reporter/serve/answer_head.h"
#include "reporter/serve/request_head.h"

namespace pqleash::reporter {
namespace {

using std::chrono::milliseconds;

// A scrape over a network takes milliseconds; a person with a terminal may take seconds.
constexpr Patience kForRequest = {milliseconds(5'000), milliseconds(250)};
constexpr Patience kForAnswer = {milliseconds(20'000), milliseconds(2'000)};

// Whatever the handler throws: memory that cannot be had, for one.
HttpAnswer AnswerOrApology(const HttpServer::Handler& handler, const HttpRequest& request) {
  try {
    return handler(request);
  } catch (const std::exception&) {
    HttpAnswer answer;
    answer.status = 500;
    return answer;
  }
}

}  // namespace

HttpServer::HttpServer(Listener::Bounds bounds, TlsContext tls, Handler handler)
    : tls_(std::move(tls)), handler_(std::move(handler)), listener_(bounds) {}

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
    const HttpAnswer answer = AnswerOrApology(handler_, head.request);
    const bool body = answer.body != nullptr && head.request.method != "HEAD";
    // The body is shared by all who ask at a time, not copied for each.
    if (wire.Write(AnswerHead(answer), kForAnswer) && body) wire.Write(*answer.body, kForAnswer);
  } else {
    // What has not come to its end in time is no bad request.
    constexpr int kTimeout = 408;
    const bool too_slow = !IsWholeHead(bytes) && bytes.size() < kMaxHeadBytes;
    wire.Write(RefusalHead(too_slow ? kTimeout : head.status), kForAnswer);
  }
  wire.End();
}

}  // namespace pqleash::reporter
