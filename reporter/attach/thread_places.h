// SPDX-License-Identifier: Apache-2.0
//
// Whether a thread stands where a function can be called on it: not within what such a call may
// need again. A thread that is in the allocator or the dynamic linker may hold their locks, and one
// that forks or ends must not be held up. Pure.

#ifndef PQLEASH_REPORTER_ATTACH_THREAD_PLACES_H_
#define PQLEASH_REPORTER_ATTACH_THREAD_PLACES_H_

#include <string>
#include <vector>

namespace pqleash::reporter {

// A frame of a stack.
struct CodePlace {
  std::string file;      // name of the module's file; empty: in none
  std::string function;  // empty: not known
};

// Whether a file is the dynamic linker, by its name.
bool IsDynamicLinker(const std::string& file);

// Why nothing can be called on a thread with this stack; empty: it can. `whole`: the stack was
// followed to its end.
std::string WhyNotHere(const std::vector<CodePlace>& stack, bool whole);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ATTACH_THREAD_PLACES_H_
