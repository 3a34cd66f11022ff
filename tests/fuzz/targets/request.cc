// SPDX-License-Identifier: Apache-2.0
//
// The HTTP surface of `pqleash serve`: the head of a request as it comes, and who gets what. Then
// the same bytes as a file of credentials and as an address, which are not a stranger's, but small.

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "reporter/serve/answer_head.h"
#include "reporter/serve/credentials.h"
#include "reporter/serve/listen_address.h"
#include "reporter/serve/request_head.h"
#include "reporter/serve/site.h"
#include "tests/fuzz/check.h"

namespace pqleash::fuzz {
namespace {

using namespace reporter;

const std::string kSecret = "every connection of this host";

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

Site SiteWith(const std::string& credentials) {
  const auto secret = std::make_shared<const std::string>(kSecret);
  Site site;
  site.metrics = [secret] { return secret; };
  site.report = [secret] { return secret; };
  site.healthy = [] { return true; };
  if (!credentials.empty()) {
    site.credentials = std::get<Credentials>(ParseCredentials(credentials));
  }
  site.host = "127.0.0.1";
  return site;
}

// What is let in has nothing left in it that anybody could stumble over.
void CheckLetIn(const HttpRequest& request) {
  Check(!request.method.empty() && request.method.find_first_of(" \r\n") == std::string::npos,
        "a method is a word", request.method);
  Check(!request.path.empty() && request.path[0] == '/', "a target is a path", request.path);
  Check(request.path.size() <= kMaxTargetBytes, "of bounded size");
  for (const std::string_view value : {request.host, request.authorization}) {
    Check(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos,
          "a value is one line", value);
    Check(value.empty() || (value.find_first_not_of(" \t") == 0 &&
                            value.find_last_not_of(" \t") == value.size() - 1),
          "without blanks around it", value);
  }
}

bool Tells(const HttpAnswer& answer) { return answer.body != nullptr && *answer.body == kSecret; }

void CheckAnswer(const HttpAnswer& answer) {
  Check(answer.status >= 200 && answer.status < 600, "an answer has a status");
  for (const auto& [name, value] : answer.headers) {
    Check((name + value).find_first_of("\r\n") == std::string::npos, "a header is one line");
  }
  const std::string head = AnswerHead(answer);
  Check(head.starts_with("HTTP/1.1 ") && head.find("\r\n\r\n") == head.size() - 4,
        "an answer's head ends where its body begins", head);
}

void Ask(const HttpRequest& request) {
  static const Site locked = SiteWith("bearer s3cr3t\nbasic shop:pass word\n");
  const HttpAnswer from_locked = AnswerOf(locked, request);
  CheckAnswer(from_locked);
  // The scheme in any case, as HTTP has it. The other one's header is in base64.
  const size_t blank = std::min(request.authorization.find(' '), request.authorization.size());
  const std::string scheme = Lower(request.authorization.substr(0, blank));
  const std::string rest = request.authorization.substr(blank);
  const bool known = (scheme == "bearer" && rest.find("s3cr3t") != std::string::npos) ||
                     (scheme == "basic" && rest.find("c2hvcDpwYXNzIHdvcmQ=") != std::string::npos);
  Check(!Tells(from_locked) || known, "who is not known learns nothing", request.authorization);
  Check(known || from_locked.status != 200 || request.path == "/healthz", "nor anything else");

  static const Site open = SiteWith("");
  const HttpAnswer from_open = AnswerOf(open, request);
  CheckAnswer(from_open);
  Check(!Tells(from_open) || NamesThisHost(request.host, "127.0.0.1"),
        "without credentials a request names this host", request.host);
}

}  // namespace
}  // namespace pqleash::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pqleash::fuzz;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const RequestHead head = CheckHead(bytes);
  if (head.status == 0) {
    Check(IsWholeHead(bytes), "only a whole head is let in");
    CheckLetIn(head.request);
    Ask(head.request);
  } else {
    constexpr std::array kStatuses = {400, 414, 431, 505};
    Check(std::find(kStatuses.begin(), kStatuses.end(), head.status) != kStatuses.end() &&
              head.request.method.empty(),
          "a refusal has its status and nothing else");
  }
  // As if it came past the check.
  Ask({"GET", "/metrics", std::string(bytes), std::string(bytes)});
  const auto credentials = ParseCredentials(bytes);
  if (const auto* accepted = std::get_if<Credentials>(&credentials)) {
    Check(!accepted->Accept(""), "no credentials are none");
  }
  (void)ParseListenAddress(bytes);
  return 0;
}
