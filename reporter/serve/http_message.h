// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SERVE_HTTP_MESSAGE_H_
#define PQLEASH_REPORTER_SERVE_HTTP_MESSAGE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace pqleash::reporter {

struct HttpRequest {
  std::string method;
  std::string path;           // decoded, without the query
  std::string host;           // of the header
  std::string authorization;  // of the header
};

struct HttpAnswer {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::shared_ptr<const std::string> body;  // nullptr: empty
  // Names and values are one line each.
  std::vector<std::pair<std::string, std::string>> headers;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_HTTP_MESSAGE_H_
