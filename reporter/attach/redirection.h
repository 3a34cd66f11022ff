// SPDX-License-Identifier: Apache-2.0
//
// Which words of a process are to be changed so that calls of libpq come to the library, or go past
// it again. Pure, but for the reading.
//
// Three sorts of words: what the dynamic linker has filled in for the modules that are loaded, for
// libpq's functions and for dlopen, dlsym and dlvsym; addresses of libpq's functions that a program
// has taken and keeps in its memory (ctypes, cffi); and the order of the main program's list of
// objects, of which the library becomes the second: what is loaded later is bound as if it had been
// preloaded.

#ifndef PQLEASH_REPORTER_ATTACH_REDIRECTION_H_
#define PQLEASH_REPORTER_ATTACH_REDIRECTION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reporter/attach/libc_places.h"
#include "reporter/attach/remote_memory.h"
#include "shim/attach/order.h"

namespace pqleash::reporter {

struct WordChange {
  uint64_t address = 0;
  uint64_t before = 0;
  uint64_t after = 0;
  bool operator==(const WordChange&) const = default;
};

struct Redirection {
  // In the order of writing: what opens connections comes last, so that whoever is stopped half way
  // leaves no connection behind whose end goes unseen.
  std::vector<WordChange> words;
  // The list of objects: all or none of it, together.
  std::vector<WordChange> scope;
  // Words with an address that is neither libpq's nor the library's: somebody else has put a
  // function of his there. They are left alone.
  size_t foreign = 0;

  bool empty() const { return words.empty() && scope.empty(); }
};

// `answer`: what the library has said of each copy.
Redirection PlanAttach(const Modules& modules, const RemoteMemory& memory,
                       const attach::Order& answer);
Redirection PlanDetach(const Modules& modules, const RemoteMemory& memory,
                       const attach::Order& answer);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ATTACH_REDIRECTION_H_
