// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/site.h"

#include "reporter/serve/listen_address.h"
#include "reporter/web/assets.h"

namespace pqleash::reporter {
namespace {

constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;
constexpr int kNotFound = 404;
constexpr int kMethodNotAllowed = 405;
constexpr int kUnavailable = 503;

HttpAnswer Plain(int status, const std::string& text) {
  HttpAnswer answer;
  answer.status = status;
  answer.body = std::make_shared<const std::string>(text + '\n');
  return answer;
}

HttpAnswer Unavailable(const std::string& text) {
  HttpAnswer answer = Plain(kUnavailable, text);
  answer.headers.emplace_back("Retry-After", "1");
  return answer;
}

HttpAnswer Document(Site::Text text, const char* type, const std::string& why_none) {
  if (text == nullptr) return Unavailable(why_none);
  HttpAnswer answer;
  answer.type = type;
  answer.body = std::move(text);
  return answer;
}

// Of a file of the page; empty: it has none.
std::string_view TypeOf(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  return {};
}

HttpAnswer Route(const Site& site, const HttpRequest& request) {
  const std::string& path = request.path;
  if (path == "/metrics") {
    return Document(site.metrics(), "text/plain; version=0.0.4; charset=utf-8",
                    "nothing was read yet");
  }
  if (path == "/api/report") {
    return Document(site.report(), "application/json", "too many ask for the report at once");
  }
  const std::string_view name = path == "/" ? "index.html" : std::string_view(path).substr(1);
  const std::string_view type = TypeOf(name);
  if (const std::string_view content = Asset(name); !type.empty() && !content.empty()) {
    HttpAnswer answer;
    answer.type = type;
    answer.body = std::make_shared<const std::string>(content);
    return answer;
  }
  return Plain(kNotFound, "there is nothing here; there are /metrics, /api/report, /healthz and /");
}

HttpAnswer Admit(const Site& site, const HttpRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") {
    HttpAnswer answer = Plain(kMethodNotAllowed, "only GET and HEAD are answered");
    answer.headers.emplace_back("Allow", "GET, HEAD");
    return answer;
  }
  // Whoever watches over the process need not know a secret, and learns one bit.
  if (request.path == "/healthz") {
    return site.healthy() ? Plain(200, "ok") : Unavailable("the ledgers are not read any more");
  }
  if (!site.credentials.empty()) {
    if (site.credentials.Accept(request.authorization)) return Route(site, request);
    HttpAnswer answer = Plain(kUnauthorized, "who are you?");
    answer.headers.emplace_back("WWW-Authenticate", "Basic realm=\"pqleash\", charset=\"UTF-8\"");
    return answer;
  }
  if (!site.loopback || NamesThisHost(request.host, site.host)) return Route(site, request);
  return Plain(kForbidden,
               "the request is for another host than this one; a proxy has to send 'Host: "
               "localhost', or to use --auth-file");
}

}  // namespace

HttpAnswer AnswerOf(const Site& site, const HttpRequest& request) {
  HttpAnswer answer = Admit(site, request);
  answer.headers.insert(
      answer.headers.end(),
      {{"Content-Security-Policy",
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
       {"X-Content-Type-Options", "nosniff"},
       {"X-Frame-Options", "DENY"},
       {"Referrer-Policy", "no-referrer"},
       {"Cross-Origin-Resource-Policy", "same-origin"},
       {"Cache-Control", "no-store"}});
  return answer;
}

}  // namespace pqleash::reporter
