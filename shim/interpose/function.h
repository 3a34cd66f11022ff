// SPDX-License-Identifier: Apache-2.0
//
// The intercepted functions as values: numbers, names and roles, all from functions.def.

#ifndef PQLEASH_SHIM_INTERPOSE_FUNCTION_H_
#define PQLEASH_SHIM_INTERPOSE_FUNCTION_H_

#include <libpq-fe.h>

#include <cstdint>

// Since libpq 17; declared here too so that one build covers every libpq that a host may bring.
typedef struct pg_cancel_conn PGcancelConn;

namespace pqleash {

enum class Function : uint16_t {
#define PQLEASH_FUNCTION(role, name, result, parameters, arguments) k##name,
#include "shim/interpose/functions.def"
#undef PQLEASH_FUNCTION
};

inline constexpr const char* kFunctionNames[] = {
#define PQLEASH_FUNCTION(role, name, result, parameters, arguments) #name,
#include "shim/interpose/functions.def"
#undef PQLEASH_FUNCTION
};

inline constexpr uint32_t kFunctionCount = sizeof(kFunctionNames) / sizeof(kFunctionNames[0]);

constexpr uint32_t Index(Function function) { return static_cast<uint32_t>(function); }
constexpr const char* Name(Function function) { return kFunctionNames[Index(function)]; }

}  // namespace pqleash

#endif  // PQLEASH_SHIM_INTERPOSE_FUNCTION_H_
