// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SERVE_ANSWER_HEAD_H_
#define PQLEASH_REPORTER_SERVE_ANSWER_HEAD_H_

#include <string>

#include "reporter/serve/http_message.h"

namespace pqleash::reporter {

// What stands before the body of an answer, up to and with the blank line: HTTP/1.1 (RFC 9112), for
// the one answer of a connection. Pure.
std::string AnswerHead(const HttpAnswer& answer);

// An answer without a body to a request that is not let in.
std::string RefusalHead(int status);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_ANSWER_HEAD_H_
