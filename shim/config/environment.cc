// SPDX-License-Identifier: Apache-2.0

#include "shim/config/environment.h"

#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "shim/support/plain_text.h"
#include "shim/support/start_scope.h"

namespace pqleash::config {

namespace {

constexpr char kPrefix[] = "PQLEASH_";

// NAME=VALUE, each with its NUL, one behind the other; an empty one ends the list. Copied:
// setproctitle() of postgres, nginx and others writes over the strings that the process was given.
// What does not fit is found in the environment alone.
constinit char remembered[4096] = {};
constinit bool started = false;

// The environment as the program was given it, before libc has made `environ` of it: a function in
// .preinit_array runs then. ld.so's address of the program's arguments, which come before the
// environment on the stack (System V ABI, 'Process Initialization'); weak: null until this library
// is relocated.
extern "C" void* __libc_stack_end __attribute__((weak));  // NOLINT: ld.so's name

char** Environment() {
  if (environ != nullptr || started) return environ;
  void* const* known = &__libc_stack_end;
  asm("" : "+r"(known));  // not taken for one that is never null
  if (known == nullptr || *known == nullptr) return nullptr;
  auto** arguments = static_cast<char**>(*known);
  const auto count = reinterpret_cast<uintptr_t>(arguments[0]);
  return arguments + 1 + count + 1;
}

// The one thing that runs in every process with the preload: a look at each variable's first
// letters, and at the list of objects. No call of libc: the host's own start-up may still have to
// make its functions ready.
__attribute__((constructor)) void Remember() {
  NoteStartScope();
  size_t used = 0;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    if (plain::After(*variable, kPrefix) == nullptr) continue;
    const size_t size = plain::Length(*variable) + 1;
    if (used + size >= sizeof(remembered)) continue;
    for (size_t i = 0; i < size; ++i) remembered[used + i] = (*variable)[i];
    used += size;
  }
  started = true;
}

// The value in NAME=VALUE; nullptr: another name.
const char* ValueIn(const char* entry, const char* name) {
  const char* rest = plain::After(entry, name);
  return rest != nullptr && *rest == '=' ? rest + 1 : nullptr;
}

}  // namespace

// Not by getenv: shells have one of their own.
const char* Variable(const char* name) noexcept {
  for (char** variable = Environment(); variable != nullptr && *variable != nullptr; ++variable) {
    if (const char* value = ValueIn(*variable, name)) return value;
  }
  for (const char* entry = remembered; *entry != '\0'; entry += plain::Length(entry) + 1) {
    if (const char* value = ValueIn(entry, name)) return value;
  }
  return nullptr;
}

bool Started() noexcept { return Environment() != nullptr || started; }

bool Disabled() noexcept {
  const char* value = Variable("PQLEASH_DISABLE");
  if (value != nullptr && value[0] != '\0' && !plain::Same(value, "0")) return true;
  const char* intercepted = Variable("PQLEASH_INTERCEPT");
  return intercepted != nullptr && plain::Same(intercepted, "none");
}

}  // namespace pqleash::config
