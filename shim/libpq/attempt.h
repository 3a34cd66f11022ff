// SPDX-License-Identifier: Apache-2.0
//
// What a function that connects was called with: to know where it leads before it is called, and to
// call it in another way. Nothing of it is kept beyond the call.

#ifndef PQLEASH_SHIM_LIBPQ_ATTEMPT_H_
#define PQLEASH_SHIM_LIBPQ_ATTEMPT_H_

#include <libpq-fe.h>

#include <cstdint>

#include "shim/interpose/function.h"
#include "shim/libpq/copy.h"

namespace pqleash::libpq {

// Where libpq would connect to, after its defaults, the environment and the service file. Cut to
// fit. Of several hosts the first.
struct Resolved {
  char host[256];  // as PQhost
  char port[64];
  char dbname[64];
  char user[64];
  char application_name[64];
  uint32_t connect_timeout_s;  // as libpq takes it: at least 2; 0: none
};

inline constexpr uint32_t kMaxKeywords = 64;

// What a connect gets in place of what its arguments say.
struct OtherWords {
  uint32_t connect_timeout_s;    // 0: its own
  const char* application_name;  // nullptr: its own
};

// Pointers to the arguments of the host, valid while its call lasts.
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
  const char* known_host = nullptr;  // nullptr: libpq can be asked (nested_poll.h)
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
  // Whether the host polls it to its end.
  bool IsAsynchronous() const {
    return function == Function::kPQconnectStart || function == Function::kPQconnectStartParams ||
           function == Function::kPQresetStart;
  }

  // The same for the same arguments and the same PG… variables of the environment. Of a reset:
  // nothing to go by, 0.
  uint64_t Hash() const;

  // The three below call libpq, and make a PGconn of their own. The calling thread must be inside
  // `copy` as the tracker sees it.
  //
  // False: the arguments are not valid, and libpq will say why; or there are more than
  // kMaxKeywords. No traffic; errno is kept.
  bool Resolve(const Copy& copy, Resolved* resolved) const;

  // A failed connect with these arguments, whose message holds `message`. Nothing was sent. Its
  // options do not count as valid: libpq will not reset it. nullptr: cannot be done. Not for
  // resets.
  PGconn* Refuse(const Copy& copy, const char* message) const;

  // The connect itself, blocking or not as it is, with some words in place of its own. False:
  // cannot be done, and nothing was. Not for resets.
  bool ConnectWith(const Copy& copy, const OtherWords& words, PGconn** conn) const;
};

// Where an attempt leads, found when first asked for.
class Destination {
 public:
  Destination(const Copy& copy, const Attempt& attempt) : copy_(copy), attempt_(attempt) {}
  // nullptr: see Attempt::Resolve.
  const Resolved* Find() {
    if (state_ == kUnknown) state_ = attempt_.Resolve(copy_, &resolved_) ? kFound : kNone;
    return state_ == kFound ? &resolved_ : nullptr;
  }
  // Known already, by Attempt::Hash.
  void Set(const Resolved& resolved) {
    resolved_ = resolved;
    state_ = kFound;
  }

 private:
  const Copy& copy_;
  const Attempt& attempt_;
  enum { kUnknown, kFound, kNone } state_ = kUnknown;
  Resolved resolved_;  // filled when it is found: nothing to pay before
};

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_ATTEMPT_H_
