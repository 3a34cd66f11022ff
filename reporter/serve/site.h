// SPDX-License-Identifier: Apache-2.0
//
// What is behind each path, and who may see it.

#ifndef PQLEASH_REPORTER_SERVE_SITE_H_
#define PQLEASH_REPORTER_SERVE_SITE_H_

#include <functional>
#include <memory>
#include <string>

#include "reporter/serve/credentials.h"
#include "reporter/serve/http_message.h"

namespace pqleash::reporter {

struct Site {
  using Text = std::shared_ptr<const std::string>;

  std::function<Text()> metrics;  // nullptr: nothing was read yet
  std::function<Text()> report;   // nullptr: too many ask for it
  std::function<bool()> healthy;
  Credentials credentials;  // empty: everybody who can reach it
  std::string host;         // listened on; without credentials, requests must be for this host
  bool loopback = true;
};

// Thread-safe where the functions of `site` are.
HttpAnswer AnswerOf(const Site& site, const HttpRequest& request);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_SITE_H_
