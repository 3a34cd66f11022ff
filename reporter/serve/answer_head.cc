// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/answer_head.h"

#include <string_view>

namespace pqleash::reporter {
namespace {

// Of RFC 9110. No client reads it.
std::string_view Reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 414:
      return "URI Too Long";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Other";
  }
}

std::string Beginning(int status) {
  std::string head = "HTTP/1.1 " + std::to_string(status) + " ";
  return head.append(Reason(status)).append("\r\nConnection: close\r\n");
}

}  // namespace

std::string AnswerHead(const HttpAnswer& answer) {
  const size_t size = answer.body == nullptr ? 0 : answer.body->size();
  std::string head = Beginning(answer.status);
  head += "Content-Length: " + std::to_string(size) + "\r\n";
  head += "Content-Type: " + answer.type + "\r\n";
  for (const auto& [name, value] : answer.headers) {
    head.append(name).append(": ").append(value).append("\r\n");
  }
  return head += "\r\n";
}

std::string RefusalHead(int status) {
  return Beginning(status) + "Content-Length: 0\r\nCache-Control: no-store\r\n\r\n";
}

}  // namespace pqleash::reporter
