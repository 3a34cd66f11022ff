// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SYMBOLS_DEMANGLE_H_
#define PQLEASH_REPORTER_SYMBOLS_DEMANGLE_H_

#include <string>

namespace pqleash::reporter {

// The source's name for a linker symbol: C++ demangled with its parameters, legacy Rust without its
// hash; anything else as it is. A symbol version ('@…') is cut off.
std::string Demangle(const std::string& symbol);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SYMBOLS_DEMANGLE_H_
