// SPDX-License-Identifier: Apache-2.0
//
// One copy of libpq that is loaded in this process, with the addresses of its functions. Several
// copies in one process are normal: the system's and one bundled in a Python wheel, say. A PGconn
// is only ever handed to the copy that made it.

#ifndef PQLEASH_SHIM_LIBPQ_COPY_H_
#define PQLEASH_SHIM_LIBPQ_COPY_H_

#include <libpq-events.h>

#include <cstdint>

#include "shim/interpose/function.h"

namespace pqleash::libpq {

struct Copy {
  // Address range of libpq's code: a return address in it is libpq calling itself. All of a shared
  // object that is called libpq; in an object that has libpq inside, a driver with libpq.a say,
  // what lies between the first and the last of libpq's functions. What that object calls from
  // elsewhere are the host's calls.
  uintptr_t begin = 0;
  uintptr_t end = 0;
  // Of the whole object.
  uintptr_t object_begin = 0;
  uintptr_t object_end = 0;
  // An object that is called libpq is kept in memory. Others are the host's, to unload and to load
  // anew: whoever uses such a copy asks StillLoaded first.
  bool pinned = false;
  // The real functions by number; nullptr where this version of libpq lacks one.
  void* functions[kFunctionCount] = {};

  // What the tracker asks about a connection. All read fields of the PGconn, without I/O and
  // without touching errno (fe-connect.c of 12 to 18), and are called only by the thread that uses
  // the connection.
  ConnStatusType (*status)(const PGconn*) = nullptr;
  PGTransactionStatusType (*transaction_status)(const PGconn*) = nullptr;
  int (*backend_pid)(const PGconn*) = nullptr;
  char* (*host)(const PGconn*) = nullptr;
  char* (*port)(const PGconn*) = nullptr;
  char* (*db)(const PGconn*) = nullptr;
  char* (*user)(const PGconn*) = nullptr;
  const char* (*parameter_status)(const PGconn*, const char*) = nullptr;
  char* (*error_message)(const PGconn*) = nullptr;
  PQconninfoOption* (*conninfo)(PGconn*) = nullptr;  // a copy, with the password in it
  void (*conninfo_free)(PQconninfoOption*) = nullptr;

  int (*register_event_proc)(PGconn*, PGEventProc, const char* name, void*) = nullptr;

  uint32_t version = 0;  // PQlibVersion; 0: not known
  char path[256] = {};   // as the dynamic linker names it, cut to fit

  bool Contains(const void* address) const {
    const auto value = reinterpret_cast<uintptr_t>(address);
    return value >= begin && value < end;
  }
  bool Holds(const void* address) const {
    const auto value = reinterpret_cast<uintptr_t>(address);
    return value >= object_begin && value < object_end;
  }
  void* Real(Function function) const { return functions[Index(function)]; }
};

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_COPY_H_
