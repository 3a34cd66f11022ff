// SPDX-License-Identifier: Apache-2.0
//
// What of a request is let in: a line and a few headers, all of bounded size. The rest is left out
// before the HTTP library sees it, and with it what costs time or memory there: ranges, compression
// and bodies.

#ifndef PQLEASH_REPORTER_SERVE_REQUEST_HEAD_H_
#define PQLEASH_REPORTER_SERVE_REQUEST_HEAD_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace pqleash::reporter {

inline constexpr size_t kMaxHeadBytes = 16 << 10;
inline constexpr size_t kMaxTargetBytes = 2 << 10;
inline constexpr size_t kMaxHeaders = 100;

// Whether the blank line at its end has come.
bool IsWholeHead(std::string_view bytes);

struct RequestHead {
  int status = 0;    // 0: let in; else what to answer with: 400, 414, 431, 505
  std::string text;  // the same request with the headers that matter here
};

// `bytes` is a whole head, or what came before the client was done. Pure.
RequestHead CheckHead(std::string_view bytes);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_REQUEST_HEAD_H_
