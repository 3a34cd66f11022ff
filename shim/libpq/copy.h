// SPDX-License-Identifier: Apache-2.0
//
// One copy of libpq that is loaded in this process, with the addresses of its functions. A process
// often has several copies, such as the system's and one that a Python wheel brings along. A PGconn
// is passed only to the copy that made it.

#ifndef PQLEASH_SHIM_LIBPQ_COPY_H_
#define PQLEASH_SHIM_LIBPQ_COPY_H_

#include <libpq-events.h>

#include <cstdint>

#include "shim/interpose/function.h"

namespace pqleash::libpq {

// Plain data. Written by one thread before other threads can see it, and not changed afterwards.
struct Copy {
  // The address range of libpq's code. A return address in this range means that libpq is calling
  // itself. For a shared object called libpq the range is the whole object. For an object that
  // contains libpq, such as a driver linked with libpq.a, it reaches from the first to the last of
  // libpq's functions. Calls from elsewhere in that object are the host's.
  uintptr_t begin = 0;
  uintptr_t end = 0;
  // The address range of the whole object.
  uintptr_t object_begin = 0;
  uintptr_t object_end = 0;
  // Whether the object is kept in memory. That is so for objects called libpq. The host may unload
  // other objects and load them again, so StillLoaded must be called before such a copy is used.
  bool pinned = false;
  // The real functions by number. nullptr if this version of libpq lacks one.
  void* functions[kFunctionCount] = {};

  // Functions with which the tracker asks about a connection. All of them read fields of the
  // PGconn. They do no I/O and do not touch errno (fe-connect.c of 12 to 18). Only the thread that
  // uses the connection calls them.
  ConnStatusType (*status)(const PGconn*) = nullptr;
  PGTransactionStatusType (*transaction_status)(const PGconn*) = nullptr;
  int (*backend_pid)(const PGconn*) = nullptr;
  char* (*host)(const PGconn*) = nullptr;
  char* (*port)(const PGconn*) = nullptr;
  char* (*db)(const PGconn*) = nullptr;
  char* (*user)(const PGconn*) = nullptr;
  const char* (*parameter_status)(const PGconn*, const char*) = nullptr;
  char* (*error_message)(const PGconn*) = nullptr;
  PQconninfoOption* (*conninfo)(PGconn*) = nullptr;  // returns a copy, which contains the password
  void (*conninfo_free)(PQconninfoOption*) = nullptr;

  int (*register_event_proc)(PGconn*, PGEventProc, const char* name, void*) = nullptr;

  uint32_t version = 0;  // PQlibVersion; 0: not known
  char path[256] = {};   // as the dynamic linker names it, cut to fit, NUL-terminated

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
