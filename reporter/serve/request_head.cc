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

bool Matters(const std::string& name) {
  return name == "host" || name == "authorization" || name == "accept" || name == "user-agent";
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

int CheckRequestLine(std::string_view line) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return kBadRequest;
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!IsToken(line.substr(0, first)) || target.front() != '/' ||
      !std::all_of(target.begin(), target.end(), IsVisible)) {
    return kBadRequest;
  }
  if (target.size() > kMaxTargetBytes) return kTargetTooLong;
  if (version == "HTTP/1.1" || version == "HTTP/1.0") return 0;
  return version.substr(0, 5) == "HTTP/" ? kOtherVersion : kBadRequest;
}

}  // namespace

bool IsWholeHead(std::string_view bytes) {
  return bytes.find("\r\n\r\n") != std::string_view::npos ||
         bytes.find("\n\n") != std::string_view::npos;
}

RequestHead CheckHead(std::string_view bytes) {
  if (!IsWholeHead(bytes)) return {bytes.size() >= kMaxHeadBytes ? kHeadTooLarge : kBadRequest, ""};
  std::string_view line;
  if (!TakeLine(&bytes, &line)) return {kBadRequest, ""};
  if (line.find(' ') + 1 == line.rfind(' ')) return {kBadRequest, ""};  // an empty target
  if (const int status = CheckRequestLine(line); status != 0) return {status, ""};
  RequestHead head = {0, std::string(line) + "\r\n"};
  size_t headers = 0;
  size_t hosts = 0;
  size_t authorizations = 0;
  while (TakeLine(&bytes, &line) && !line.empty()) {
    if (++headers > kMaxHeaders) return {kHeadTooLarge, ""};
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !IsToken(line.substr(0, colon)) ||
        !IsValue(line.substr(colon + 1))) {
      return {kBadRequest, ""};
    }
    const std::string name = Lower(line.substr(0, colon));
    hosts += name == "host";
    authorizations += name == "authorization";
    if (Matters(name)) head.text.append(line).append("\r\n");
  }
  if (hosts > 1 || authorizations > 1) return {kBadRequest, ""};
  head.text += "\r\n";
  return head;
}

}  // namespace pqleash::reporter
