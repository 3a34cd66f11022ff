// SPDX-License-Identifier: Apache-2.0
//
// The arguments of one call of a connect function. An Attempt tells where the connect leads before
// libpq is called, and can make the connect in another way. It keeps nothing beyond the call.

#ifndef PQLEASH_SHIM_LIBPQ_ATTEMPT_H_
#define PQLEASH_SHIM_LIBPQ_ATTEMPT_H_

#include <libpq-fe.h>

#include <cstdint>

#include "shim/interpose/function.h"
#include "shim/libpq/copy.h"

namespace pqleash::libpq {

// Where libpq would connect to, with its defaults, the environment and the service file taken into
// account. Texts are cut to fit and NUL-terminated. If there are several hosts, this is the first.
struct Resolved {
  char host[256];  // as PQhost reports it
  char port[64];
  char dbname[64];
  char user[64];
  char application_name[64];
  uint32_t connect_timeout_s;  // in seconds, as libpq takes it: at least 2; 0: none
};

// Words of one PQconnectdbParams call that are handled; more make the arguments unknown.
inline constexpr uint32_t kMaxKeywords = 64;

// Values that a connect gets instead of those in its arguments.
struct OtherWords {
  uint32_t connect_timeout_s;    // in seconds; 0: the connect's own
  const char* application_name;  // nullptr: the connect's own
};

// The arguments are the host's. The pointers are valid while the host's call lasts. Not
// thread-safe.
struct Attempt {
  Function function;
  int expand_dbname = 0;
  // PQconnectdb, PQconnectStart.
  const char* conninfo = nullptr;
  // PQconnectdbParams, PQconnectStartParams.
  const char* const* keywords = nullptr;
  const char* const* values = nullptr;
  // PQsetdbLogin.
  const char* host = nullptr;
  const char* port = nullptr;
  const char* options = nullptr;
  const char* dbname = nullptr;
  const char* login = nullptr;
  const char* password = nullptr;
  // PQreset, PQresetStart.
  PGconn* conn = nullptr;
  const char* known_host = nullptr;  // nullptr: ask libpq (but see nested_poll.h)
  const char* known_port = nullptr;

  static Attempt Of(Function function, const char* conninfo) {
    return {.function = function, .conninfo = conninfo};
  }
  static Attempt Of(Function function, const char* const* keywords, const char* const* values,
                    int expand_dbname) {
    return {.function = function,
            .expand_dbname = expand_dbname,
            .keywords = keywords,
            .values = values};
  }
  static Attempt Of(Function function, const char* host, const char* port, const char* options,
                    const char*, const char* dbname, const char* login, const char* password) {
    return {.function = function,
            .host = host,
            .port = port,
            .options = options,
            .dbname = dbname,
            .login = login,
            .password = password};
  }
  static Attempt OfReset(Function function, PGconn* conn) {
    return {.function = function, .conn = conn};
  }

  bool IsReset() const {
    return function == Function::kPQreset || function == Function::kPQresetStart;
  }
  // Whether the host itself polls the connect to its end.
  bool IsAsynchronous() const {
    return function == Function::kPQconnectStart || function == Function::kPQconnectStartParams ||
           function == Function::kPQresetStart;
  }

  // Returns a hash that is the same for the same arguments and the same PG… environment variables.
  // A reset has no arguments; its hash is 0.
  uint64_t Hash() const;

  // The three functions below call libpq and make a PGconn of their own. The calling thread must be
  // marked by the tracker as inside `copy`.
  //
  // Resolve finds out where the connect leads. It returns false if the arguments are not valid, in
  // which case libpq will say why, or if there are more than kMaxKeywords. Sends nothing; keeps
  // errno.
  bool Resolve(const Copy& copy, Resolved* resolved) const;

  // Returns a failed connect with these arguments, whose message contains `message`. Nothing is
  // sent. The PGconn is the caller's, like that of any failed connect. libpq does not consider its
  // options valid and will not reset it. Returns nullptr if this cannot be done. Not for resets.
  PGconn* Refuse(const Copy& copy, const char* message) const;

  // Makes the connect itself, blocking or not like the original call, with some words replaced.
  // Returns false, and does nothing, if that cannot be done. Not for resets.
  bool ConnectWith(const Copy& copy, const OtherWords& words, PGconn** conn) const;
};

// Where an attempt leads. The destination is looked up when it is first needed. Refers to its
// arguments. Not thread-safe.
class Destination {
 public:
  Destination(const Copy& copy, const Attempt& attempt) : copy_(copy), attempt_(attempt) {}
  // Returns nullptr if Attempt::Resolve fails.
  const Resolved* Find() {
    if (state_ == kUnknown) state_ = attempt_.Resolve(copy_, &resolved_) ? kFound : kNone;
    return state_ == kFound ? &resolved_ : nullptr;
  }
  // Sets a destination that is known from an earlier attempt with the same Attempt::Hash.
  void Set(const Resolved& resolved) {
    resolved_ = resolved;
    state_ = kFound;
  }

 private:
  const Copy& copy_;
  const Attempt& attempt_;
  enum { kUnknown, kFound, kNone } state_ = kUnknown;
  Resolved resolved_;  // not initialised until it is needed, which saves the time
};

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_ATTEMPT_H_
