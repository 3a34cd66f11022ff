// SPDX-License-Identifier: Apache-2.0

#include "shim/libpq/attempt.h"

#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "shim/support/hash.h"
#include "shim/support/host_state.h"
#include "shim/support/text.h"

namespace pqleash::libpq {

namespace {

// As recognized_connection_string() in libpq's fe-connect.c.
bool IsConninfo(const char* text) {
  return strncmp(text, "postgresql://", 13) == 0 || strncmp(text, "postgres://", 11) == 0 ||
         strchr(text, '=') != nullptr;
}

bool IsBlank(const char* text) { return text[strspn(text, " \t\n\v\f\r")] == '\0'; }

// The arguments of any connect function, in the form of PQconnectdbParams. The texts belong to the
// host or to parsed conninfos.
struct Parameters {
  static constexpr uint32_t kAppended = 2;
  const char* keywords[kMaxKeywords + kAppended + 1];
  const char* values[kMaxKeywords + kAppended + 1];
  uint32_t count = 0;
  int expand_dbname = 1;

  // Adds a word. A later word overrides an earlier one.
  void Append(const char* keyword, const char* value) {
    keywords[count] = keyword;
    values[count] = value;
    keywords[++count] = nullptr;
    values[count] = nullptr;
  }
  void AppendGiven(const char* keyword, const char* value) {
    if (value != nullptr && value[0] != '\0') Append(keyword, value);
  }

  bool Take(const Attempt& attempt) {
    keywords[0] = values[0] = nullptr;
    switch (attempt.function) {
      case Function::kPQconnectdb:
      case Function::kPQconnectStart:
        return TakeConninfo(attempt.conninfo);
      case Function::kPQconnectdbParams:
      case Function::kPQconnectStartParams:
        return TakeParameters(attempt);
      case Function::kPQsetdbLogin:
        TakeLogin(attempt);
        return true;
      default:
        return false;
    }
  }

 private:
  // Takes the parsed words of a conninfo or a URI. Any other text is an error here;
  // PQconnectdbParams takes it for the name of a database.
  bool TakeConninfo(const char* conninfo) {
    if (conninfo == nullptr) return false;
    if (IsBlank(conninfo)) return true;
    if (!IsConninfo(conninfo)) return false;
    Append("dbname", conninfo);
    return true;
  }

  bool TakeParameters(const Attempt& attempt) {
    if (attempt.keywords == nullptr || attempt.values == nullptr) return false;
    expand_dbname = attempt.expand_dbname;
    for (uint32_t i = 0; attempt.keywords[i] != nullptr; ++i) {
      if (count == kMaxKeywords) return false;
      Append(attempt.keywords[i], attempt.values[i]);
    }
    return true;
  }

  // As PQsetdbLogin in fe-connect.c: the other arguments override what dbName says.
  void TakeLogin(const Attempt& attempt) {
    AppendGiven("dbname", attempt.dbname);
    AppendGiven("host", attempt.host);
    AppendGiven("port", attempt.port);
    AppendGiven("options", attempt.options);
    AppendGiven("user", attempt.login);
    AppendGiven("password", attempt.password);
  }
};

using ConnectParams = PGconn* (*)(const char* const*, const char* const*, int);

PGconn* Connect(const Copy& copy, Function function, const Parameters& parameters) {
  auto* real = reinterpret_cast<ConnectParams>(copy.Real(function));
  return real != nullptr ? real(parameters.keywords, parameters.values, parameters.expand_dbname)
                         : nullptr;
}

uint64_t HashText(uint64_t hash, const char* text) {
  if (text == nullptr) return Mix(hash, UINT64_MAX);
  size_t left = strlen(text);
  hash = Mix(hash, left);
  for (; left > 0;) {
    const size_t size = left < 8 ? left : 8;
    uint64_t word = 0;
    memcpy(&word, text, size);
    hash = Mix(hash, word);
    text += size;
    left -= size;
  }
  return hash;
}

uint64_t HashEnvironment(uint64_t hash) {
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    if ((*variable)[0] == 'P' && (*variable)[1] == 'G') hash = HashText(hash, *variable);
  }
  return hash;
}

// As connectDBComplete() in fe-connect.c.
uint32_t EffectiveTimeout(const char* text) {
  const auto seconds = LeadingNumber<int32_t>(text, 10);
  if (seconds <= 0) return 0;
  return seconds < 2 ? 2 : static_cast<uint32_t>(seconds);
}

template <size_t size>
void Take(const char* text, char (&field)[size]) {
  CopyText(text != nullptr ? text : "", field);
}

// Reads the words that PQhost and the like do not report.
bool ReadOptions(const Copy& copy, PGconn* conn, Resolved* resolved) {
  PQconninfoOption* options = copy.conninfo(conn);
  if (options == nullptr) return false;
  resolved->application_name[0] = '\0';
  resolved->connect_timeout_s = 0;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val == nullptr || option->val[0] == '\0') continue;
    if (strcmp(option->keyword, "application_name") == 0) {
      CopyText(option->val, resolved->application_name);
    } else if (strcmp(option->keyword, "fallback_application_name") == 0) {
      if (resolved->application_name[0] == '\0') CopyText(option->val, resolved->application_name);
    } else if (strcmp(option->keyword, "connect_timeout") == 0) {
      resolved->connect_timeout_s = EffectiveTimeout(option->val);
    }
  }
  copy.conninfo_free(options);
  return true;
}

bool CanBeAsked(const Copy& copy) {
  return copy.host != nullptr && copy.port != nullptr && copy.db != nullptr &&
         copy.user != nullptr && copy.error_message != nullptr && copy.conninfo != nullptr &&
         copy.conninfo_free != nullptr && copy.Real(Function::kPQfinish) != nullptr;
}

// No sslmode has this value. libpq checks sslmode after it has determined everything else.
constexpr char kAsking[] = "pqleash-asks-where-this-leads";

}  // namespace

uint64_t Attempt::Hash() const {
  if (IsReset()) return 0;
  uint64_t hash = Mix(static_cast<uint64_t>(function), static_cast<uint64_t>(expand_dbname));
  for (const char* text : {conninfo, host, port, options, dbname, login, password})
    hash = HashText(hash, text);
  for (uint32_t i = 0; keywords != nullptr && values != nullptr && keywords[i] != nullptr; ++i)
    hash = HashText(HashText(hash, keywords[i]), values[i]);
  return HashEnvironment(hash);
}

bool Attempt::Resolve(const Copy& copy, Resolved* resolved) const {
  const HostStateKeeper keeper;
  if (!CanBeAsked(copy)) return false;
  PGconn* asked = conn;
  if (!IsReset()) {
    Parameters parameters;
    if (!parameters.Take(*this)) return false;
    // With a password given, libpq neither reads the password file nor complains about its mode on
    // stderr.
    parameters.Append("password", "none");
    parameters.Append("sslmode", kAsking);
    asked = Connect(copy, Function::kPQconnectStartParams, parameters);
    if (asked == nullptr) return false;
  }
  bool found = IsReset() || strstr(copy.error_message(asked), kAsking) != nullptr;
  if (found) {
    Take(known_host != nullptr ? known_host : copy.host(asked), resolved->host);
    Take(known_port != nullptr ? known_port : copy.port(asked), resolved->port);
    Take(copy.db(asked), resolved->dbname);
    Take(copy.user(asked), resolved->user);
    found = ReadOptions(copy, asked, resolved);
  }
  if (!IsReset()) reinterpret_cast<decltype(&PQfinish)>(copy.Real(Function::kPQfinish))(asked);
  return found;
}

PGconn* Attempt::Refuse(const Copy& copy, const char* message) const {
  Parameters parameters;
  if (!parameters.Take(*this)) return nullptr;
  parameters.Append("sslmode", message);
  return Connect(copy, Function::kPQconnectStartParams, parameters);
}

bool Attempt::ConnectWith(const Copy& copy, const OtherWords& words, PGconn** result) const {
  const Function with =
      IsAsynchronous() ? Function::kPQconnectStartParams : Function::kPQconnectdbParams;
  Parameters parameters;
  if (copy.Real(with) == nullptr || !parameters.Take(*this)) return false;
  char timeout[16];
  if (words.connect_timeout_s != 0) {
    snprintf(timeout, sizeof(timeout), "%u", words.connect_timeout_s);
    parameters.Append("connect_timeout", timeout);
  }
  if (words.application_name != nullptr)
    parameters.Append("application_name", words.application_name);
  *result = Connect(copy, with, parameters);
  return true;
}

}  // namespace pqleash::libpq
