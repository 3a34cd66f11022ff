// SPDX-License-Identifier: Apache-2.0
//
// What of a request is let in: a line and two headers, all of bounded size. The others are checked
// and left out, and with them what costs time or memory: ranges, compression and bodies.

#ifndef PQLEASH_REPORTER_SERVE_REQUEST_HEAD_H_
#define PQLEASH_REPORTER_SERVE_REQUEST_HEAD_H_

#include <cstddef>
#include <string_view>

#include "reporter/serve/http_message.h"

namespace pqleash::reporter {

inline constexpr size_t kMaxHeadBytes = 16 << 10;
inline constexpr size_t kMaxTargetBytes = 2 << 10;
inline constexpr size_t kMaxHeaders = 100;

// Whether the blank line at its end has come.
bool IsWholeHead(std::string_view bytes);

struct RequestHead {
  int status = 0;  // 0: let in; else what to answer with: 400, 414, 431, 505
  HttpRequest request;
};

// `bytes` is a whole head, or what came before the client was done: HTTP/1.0 and 1.1 of RFC 9112,
// with a path as target. Pure.
RequestHead CheckHead(std::string_view bytes);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_REQUEST_HEAD_H_
