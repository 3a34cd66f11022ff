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

std::string_view Line(std::string_view* text) {
  const size_t end = text->find("\r\n");
  Check(end != std::string_view::npos, "a checked head has lines that end", *text);
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(end + 2);
  return line;
}

std::string Decoded(std::string_view path) {
  const auto digit = [](char c) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    return kDigits.find(static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c));
  };
  std::string decoded;
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%' && i + 2 < path.size() && digit(path[i + 1]) != std::string_view::npos &&
        digit(path[i + 2]) != std::string_view::npos) {
      decoded += static_cast<char>(digit(path[i + 1]) * 16 + digit(path[i + 2]));
      i += 2;
    } else {
      decoded += path[i];
    }
  }
  return decoded;
}

// What the HTTP library makes of a checked head: nothing in it is left for it to stumble over.
HttpRequest Parsed(std::string_view text) {
  HttpRequest request;
  const std::string_view first = Line(&text);
  const size_t blank = first.find(' ');
  const size_t end = first.rfind(' ');
  Check(blank != std::string_view::npos && blank < end, "a request line has three parts", first);
  request.method = first.substr(0, blank);
  const std::string_view target = first.substr(blank + 1, end - blank - 1);
  Check(!target.empty() && target[0] == '/', "a target is a path", target);
  request.path = Decoded(target.substr(0, target.find('?')));
  for (std::string_view line = Line(&text); !line.empty(); line = Line(&text)) {
    const size_t colon = line.find(':');
    Check(colon != std::string_view::npos, "a header has a name", line);
    const std::string name = Lower(std::string(line.substr(0, colon)));
    std::string_view value = line.substr(colon + 1);
    Check(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos,
          "a value is one line", value);
    const size_t begin = std::min(value.find_first_not_of(" \t"), value.size());
    value.remove_prefix(begin);
    value = value.substr(0, value.find_last_not_of(" \t") + 1);
    if (name == "host") {
      request.host = value;
    } else if (name == "authorization") {
      request.authorization = value;
    } else {
      Check(name == "accept" || name == "user-agent", "no other header is let in", name);
    }
  }
  Check(text.empty(), "nothing comes behind the head", text);
  return request;
}

bool Tells(const HttpAnswer& answer) { return answer.body != nullptr && *answer.body == kSecret; }

void CheckAnswer(const HttpAnswer& answer) {
  Check(answer.status >= 200 && answer.status < 600, "an answer has a status");
  for (const auto& [name, value] : answer.headers) {
    Check((name + value).find_first_of("\r\n") == std::string::npos, "a header is one line");
  }
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
    Ask(Parsed(head.text));
  } else {
    constexpr std::array kStatuses = {400, 414, 431, 505};
    Check(std::find(kStatuses.begin(), kStatuses.end(), head.status) != kStatuses.end() &&
              head.text.empty(),
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
