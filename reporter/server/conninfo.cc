// SPDX-License-Identifier: Apache-2.0

#include "reporter/server/conninfo.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <memory>
#include <string_view>

#include "shim/config/values.h"

namespace pqleash::reporter {
namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Options = std::unique_ptr<PQconninfoOption, FreeOptions>;

// What libpq takes for the name of a database.
bool IsPlainName(const std::string& text) {
  return text.find('=') == std::string::npos && !text.starts_with("postgres://") &&
         !text.starts_with("postgresql://");
}

std::string KnownOptionLike(const std::string& name) {
  const Options defaults(PQconndefaults());
  std::vector<std::string> known;
  for (const PQconninfoOption* option = defaults.get();
       option != nullptr && option->keyword != nullptr; ++option) {
    known.emplace_back(option->keyword);
  }
  return config::NearestName(name, known);
}

// libpq's own words quote what they do not understand: the second half of a password with a blank
// in it, or the whole of a URI.
std::string WhyUnusable(const std::string& message) {
  const std::string hidden = "(it is not shown: it may hold a password)";
  for (const std::string_view prefix :
       {"invalid connection option \"", "invalid URI query parameter: \""}) {
    if (!message.starts_with(prefix)) continue;
    const size_t end = message.find('"', prefix.size());
    const std::string like = KnownOptionLike(message.substr(prefix.size(), end - prefix.size()));
    return fmt::format("the connection string has an option that libpq does not know{} {}",
                       like.empty() ? "" : fmt::format(", most like '{}'", like), hidden);
  }
  return "the connection string cannot be understood " + hidden +
         ": expected KEYWORD=VALUE pairs, with '…' around a value with blanks, or "
         "postgresql://USER@HOST:PORT/DATABASE with special characters as %XX";
}

std::optional<uint32_t> Seconds(const char* text) { return config::ParseCount(text, 0, 1'000'000); }

}  // namespace

std::optional<Conninfo> ReadConninfo(const std::string& text, std::string* error) {
  Conninfo result;
  if (text.find('\0') != std::string::npos) {
    *error = "the connection string holds a NUL byte";
    return std::nullopt;
  }
  if (IsPlainName(text)) return result;
  char* message = nullptr;
  const Options options(PQconninfoParse(text.c_str(), &message));
  const std::unique_ptr<char, void (*)(void*)> owned(message, PQfreemem);
  if (options == nullptr) {
    *error = WhyUnusable(message != nullptr ? message : "");
    return std::nullopt;
  }
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    const std::string_view keyword = option->keyword;
    const std::string value = option->val;
    if (keyword == "application_name") result.application_name = value;
    if (keyword == "connect_timeout") result.connect_timeout_s = Seconds(option->val);
    if (keyword == "password" || keyword == "sslpassword") result.secrets.push_back(value);
    // 'postgresql://user:pass@word@host/': what follows the first '@' is the host.
    if (keyword == "host" && value.find('@') != std::string::npos && !value.starts_with('@')) {
      *error =
          "the connection string has a host with an '@' in it (it is not shown: it may be the rest "
          "of a password); write an '@' in a password as %40";
      return std::nullopt;
    }
  }
  return result;
}

std::string OneLine(const std::string& message, const std::vector<std::string>& secrets) {
  // A password of a byte or two would be found in any word.
  constexpr size_t kShortestSecret = 4;
  std::string line;
  for (const char byte : message) {
    const bool blank = byte == '\n' || byte == '\t' || byte == ' ' || byte == '\r';
    if (blank && (line.empty() || line.back() == ' ')) continue;
    if (byte == '\n') line += ';';
    line += blank ? ' ' : byte;
  }
  while (line.ends_with(' ') || line.ends_with(';')) line.pop_back();
  for (const std::string& secret : secrets) {
    if (secret.size() < kShortestSecret) continue;
    for (size_t at = line.find(secret); at != std::string::npos; at = line.find(secret, at + 3)) {
      line.replace(at, secret.size(), "***");
    }
  }
  return line;
}

}  // namespace pqleash::reporter
