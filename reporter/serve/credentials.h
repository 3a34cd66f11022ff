// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SERVE_CREDENTIALS_H_
#define PQLEASH_REPORTER_SERVE_CREDENTIALS_H_

#include <array>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pqleash::reporter {

// Who may ask. Keeps digests, not the secrets. Immutable, so that threads may share it.
class Credentials {
 public:
  // Whether an Authorization header is one of these; takes the same time whichever is wrong, and
  // however much of it. False where there are none.
  bool Accept(std::string_view authorization) const;

  bool empty() const { return digests_.empty(); }

 private:
  friend std::variant<Credentials, std::string> ParseCredentials(std::string_view text);
  using Digest = std::array<unsigned char, 32>;  // SHA-256

  static Digest DigestOf(std::string_view authorization);

  std::vector<Digest> digests_;  // of header values
};

// A line each: 'basic USER:PASSWORD' or 'bearer TOKEN'; '#' begins a line of comment. A string is a
// clause that says which line is wrong, and nothing of what is in it. Pure.
std::variant<Credentials, std::string> ParseCredentials(std::string_view text);

// Reads such a file, which must be a regular one that belongs to this user or to root and is closed
// to everybody else, but for the group of one that root owns. A string is a sentence that says what
// is wrong.
std::variant<Credentials, std::string> ReadCredentials(const std::string& path);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_CREDENTIALS_H_
