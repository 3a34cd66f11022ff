// SPDX-License-Identifier: Apache-2.0
//
// The exported wrappers, one line of functions.def each.

#include "shim/interpose/calls.h"

// NOLINTBEGIN: the names and types are libpq's
#define PQLEASH_FUNCTION(role, name, result, parameters, arguments)          \
  extern "C" __attribute__((visibility("default"))) result name parameters { \
    return PQLEASH_INTERCEPT(role, name, nullptr, arguments);                \
  }
#include "shim/interpose/functions.def"
#undef PQLEASH_FUNCTION
// NOLINTEND
