// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/request_head.h"

#include <algorithm>
#include <cctype>

namespace pqleash::reporter {
namespace {

constexpr int kBadRequest = 400;
constexpr int kTargetTooLong = 414;
constexpr int kHeadTooLarge = 431;
constexpr int kOtherVersion = 505;

bool IsVisible(char c) { return c > ' ' && c < 0x7f; }

// A token of RFC 9110: letters, digits and some signs.
bool IsToken(std::string_view text) {
  constexpr std::string_view kSigns = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           kSigns.find(c) != std::string_view::npos;
  });
}

// As a value of a header may be: no control bytes but tabs.
bool IsValue(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != 0x7f);
  });
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// %41 is A. What is not two hexadecimal digits is left as it is.
std::string Decoded(std::string_view path) {
  std::string decoded;
  for (size_t i = 0; i < path.size(); ++i) {
    const int high = path[i] == '%' && i + 2 < path.size() ? HexDigit(path[i + 1]) : -1;
    const int low = high < 0 ? -1 : HexDigit(path[i + 2]);
    if (low < 0) {
      decoded += path[i];
    } else {
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

// Without the blanks around it.
std::string_view Trimmed(std::string_view value) {
  value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  return value.substr(0, value.find_last_not_of(" \t") + 1);
}

// The first line off the front. False: there is none that ends.
bool TakeLine(std::string_view* bytes, std::string_view* line) {
  const size_t end = bytes->find('\n');
  if (end == std::string_view::npos) return false;
  *line = bytes->substr(0, end);
  if (!line->empty() && line->back() == '\r') line->remove_suffix(1);
  bytes->remove_prefix(end + 1);
  return true;
}

// Method and path of the first line. What to answer with; 0: it is let in.
int ReadRequestLine(std::string_view line, HttpRequest* request) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || last <= first + 1) return kBadRequest;
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!IsToken(line.substr(0, first)) || target.front() != '/' ||
      !std::all_of(target.begin(), target.end(), IsVisible)) {
    return kBadRequest;
  }
  if (target.size() > kMaxTargetBytes) return kTargetTooLong;
  request->method = line.substr(0, first);
  request->path = Decoded(target.substr(0, target.find_first_of("?#")));
  if (version == "HTTP/1.1" || version == "HTTP/1.0") return 0;
  return version.substr(0, 5) == "HTTP/" ? kOtherVersion : kBadRequest;
}

// One value may stand there. False: there was one already.
bool Keep(std::string_view value, bool* found, std::string* kept) {
  if (*found) return false;
  *found = true;
  *kept = Trimmed(value);
  return true;
}

// The lines behind the first. What to answer with; 0: they are let in.
int ReadHeaders(std::string_view bytes, HttpRequest* request) {
  size_t headers = 0;
  bool host = false;
  bool authorization = false;
  for (std::string_view line; TakeLine(&bytes, &line) && !line.empty();) {
    if (++headers > kMaxHeaders) return kHeadTooLarge;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return kBadRequest;
    const std::string_view value = line.substr(colon + 1);
    if (!IsToken(line.substr(0, colon)) || !IsValue(value)) return kBadRequest;
    const std::string name = Lower(line.substr(0, colon));
    if (name == "host" && !Keep(value, &host, &request->host)) return kBadRequest;
    if (name == "authorization" && !Keep(value, &authorization, &request->authorization)) {
      return kBadRequest;
    }
  }
  return 0;
}

}  // namespace

bool IsWholeHead(std::string_view bytes) {
  return bytes.find("\r\n\r\n") != std::string_view::npos ||
         bytes.find("\n\n") != std::string_view::npos;
}

RequestHead CheckHead(std::string_view bytes) {
  if (!IsWholeHead(bytes)) return {bytes.size() >= kMaxHeadBytes ? kHeadTooLarge : kBadRequest, {}};
  std::string_view line;
  if (!TakeLine(&bytes, &line)) return {kBadRequest, {}};
  RequestHead head;
  head.status = ReadRequestLine(line, &head.request);
  if (head.status == 0) head.status = ReadHeaders(bytes, &head.request);
  if (head.status != 0) head.request = {};
  return head;
}

}  // namespace pqleash::reporter
