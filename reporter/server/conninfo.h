// SPDX-License-Identifier: Apache-2.0
//
// What can be said of a connection string without telling what stands in it: it may hold a
// password, and a mistake in it may put that anywhere.

#ifndef PQLEASH_REPORTER_SERVER_CONNINFO_H_
#define PQLEASH_REPORTER_SERVER_CONNINFO_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pqleash::reporter {

struct Conninfo {
  std::string application_name;               // empty: none given
  std::optional<uint32_t> connect_timeout_s;  // as given; not checked to be sensible
  std::vector<std::string> secrets;           // values that must not be shown
};

// Reads a connection string as libpq would. No value: it cannot be used, and `error` says why in a
// sentence without a full stop that repeats nothing of it.
std::optional<Conninfo> ReadConninfo(const std::string& text, std::string* error);

// A message of libpq or a server as one line, without the secrets. Not escaped.
std::string OneLine(const std::string& message, const std::vector<std::string>& secrets);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVER_CONNINFO_H_
