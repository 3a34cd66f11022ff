// SPDX-License-Identifier: Apache-2.0
//
// What our exported dlsym, dlvsym and dlopen (linker.S) choose.
//
// Two sorts of programs pass a plain preload by. Foreign-function interfaces (ctypes, cffi, LuaJIT,
// Nim) ask dlsym for the address of each function of a handle: they get a wrapper that is bound to
// the copy of libpq that the handle means. And objects that are loaded with RTLD_DEEPBIND: see
// libpq/deep_bind.h.

#include "shim/support/linker.h"

#include <dlfcn.h>

#include "shim/interpose/bound.h"
#include "shim/interpose/intercepted.h"
#include "shim/libpq/copies.h"
#include "shim/libpq/deep_bind.h"
#include "shim/libpq/names.h"
#include "shim/support/elf_needs.h"
#include "shim/support/host_state.h"
#include "shim/support/own_code.h"
#include "shim/support/plain_text.h"
#include "shim/tracker/process.h"

#define PQLEASH_HIDDEN __attribute__((visibility("hidden")))

extern "C" {
// The address to return; nullptr: pass the call on.
PQLEASH_HIDDEN void* PqleashChooseSymbol(void* handle, const char* name, const char*,
                                         const void* caller);
PQLEASH_HIDDEN void* PqleashChooseVersionedSymbol(void* handle, const char* name,
                                                  const char* version, const void* caller);
// The flags to load with.
PQLEASH_HIDDEN int PqleashChooseFlags(const char* path, int flags);
}

namespace pqleash {

namespace {

// Few names begin like this: all others are turned away by two compares.
bool MayBeLibpqs(const char* name) {
  if (name == nullptr) return false;
  return (name[0] == 'P' && name[1] == 'Q') || (name[0] == 'l' && name[1] == 'o' && name[2] == '_');
}

// RTLD_DEFAULT and RTLD_NEXT ask about the caller's own scope, where our wrappers stand already.
bool Ours(void* handle, const void* caller) {
  return handle != RTLD_DEFAULT && handle != RTLD_NEXT && !OwnCode(caller) &&
         (Intercepted() & ledger::kInterceptLookUps) != 0;
}

// What we do to answer may come back to us: a host's malloc, or whoever has put a dlopen before
// libc's, may look something up in its turn. That is passed on.
constinit thread_local bool answering __attribute__((tls_model("initial-exec"))) = false;

class Answering {
 public:
  Answering() { answering = true; }
  ~Answering() { answering = false; }
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;

 private:
  const ErrnoKeeper errno_keeper_;
};

bool FindFunction(const char* name, Function* function) {
  for (uint32_t i = 0; i < kFunctionCount; ++i) {
    if (!plain::Same(kFunctionNames[i], name)) continue;
    *function = static_cast<Function>(i);
    return true;
  }
  return false;
}

// The wrapper to hand out in the place of `definition`.
void* WrapperOf(const char* name, void* definition) {
  Function function;
  if (definition == nullptr || OwnCode(definition) || !FindFunction(name, &function))
    return nullptr;
  const libpq::Copy* copy = libpq::ForDefinition(definition);
  if (copy == nullptr || copy->Real(function) != definition) return nullptr;
  void* wrapper = BoundWrapper(function, libpq::Number(copy));
  if (wrapper == nullptr) {
    if (tracker::Process* process = tracker::Process::Current()) {
      ledger::Count(process->ledger.header().uncovered_lookups);
    }
  }
  return wrapper;
}

}  // namespace

}  // namespace pqleash

// For a name of anybody else the real function is jumped to, and nothing more is done: no thread's
// memory, no variable of the environment, no function of libc. Hosts ask before they have started,
// and sanitizers before their own strcmp works.
void* PqleashChooseSymbol(void* handle, const char* name, const char*, const void* caller) {
  pqleash::linker::Find();
  if (!pqleash::MayBeLibpqs(name)) return nullptr;
  if (!pqleash::Ours(handle, caller) || pqleash::answering) return nullptr;
  const pqleash::Answering guard;
  return pqleash::WrapperOf(name, pqleash_real_dlsym(handle, name));
}

void* PqleashChooseVersionedSymbol(void* handle, const char* name, const char* version,
                                   const void* caller) {
  pqleash::linker::Find();
  if (!pqleash::MayBeLibpqs(name)) return nullptr;
  if (!pqleash::Ours(handle, caller) || pqleash::answering) return nullptr;
  const pqleash::Answering guard;
  return pqleash::WrapperOf(name, pqleash_real_dlvsym(handle, name, version));
}

int PqleashChooseFlags(const char* path, int flags) {
  pqleash::linker::Find();
  // A name without a slash is searched for by the linker, as seen from the caller: we cannot tell
  // which file it means.
  if ((flags & RTLD_DEEPBIND) == 0 || path == nullptr || !pqleash::plain::Contains(path, "/"))
    return flags;
  if ((pqleash::Intercepted() & pqleash::ledger::kInterceptDeepBind) == 0) return flags;
  const pqleash::ErrnoKeeper errno_keeper;
  if (!pqleash::FileNeeds(path, pqleash::libpq::IsLibpqName)) return flags;
  pqleash::libpq::NoteDeepBind(path);
  return flags & ~RTLD_DEEPBIND;
}
