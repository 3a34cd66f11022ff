// SPDX-License-Identifier: Apache-2.0

#include "shim/config/environment.h"

#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "shim/attach/order.h"
#include "shim/support/plain_text.h"
#include "shim/support/start_scope.h"

namespace pqleash::config {

namespace {

constexpr char kPrefix[] = "PQLEASH_";

// A copy of the PQLEASH_ variables at the start of the process: NAME=VALUE texts, each with its
// NUL, one after the other; an empty text ends the list. The strings are copied because
// setproctitle() of postgres, nginx and others overwrites the process's own. Variables that do not
// fit are looked up only in the current environment.
constinit char remembered[4096] = {};
constinit bool started = false;
// Of an attach (Give); as above.
constinit char given[sizeof(attach::Order::variables)] = {};

// ld.so's address of the program's arguments, which precede the environment on the stack (System V
// ABI, 'Process Initialization'). It gives access to the environment before libc has set `environ`,
// for example to a function in .preinit_array. Weak: its address is null until this library is
// relocated.
extern "C" void* __libc_stack_end __attribute__((weak));  // NOLINT: ld.so's name

char** Environment() {
  if (environ != nullptr || started) return environ;
  void* const* known = &__libc_stack_end;
  asm("" : "+r"(known));  // the compiler must not assume that the address is never null
  if (known == nullptr || *known == nullptr) return nullptr;
  auto** arguments = static_cast<char**>(*known);
  const auto count = reinterpret_cast<uintptr_t>(arguments[0]);
  return arguments + 1 + count + 1;
}

// Runs in every process that has the library preloaded, so it does little: it compares the first
// letters of each variable and counts the loaded objects. It calls nothing of libc, because the
// host's own start-up may not have made those functions ready yet.
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

// Returns the value in `entry`, a text NAME=VALUE, or nullptr if it is another variable.
const char* ValueIn(const char* entry, const char* name) {
  const char* rest = plain::After(entry, name);
  return rest != nullptr && *rest == '=' ? rest + 1 : nullptr;
}

const char* FindIn(const char* entries, const char* name) {
  for (const char* entry = entries; *entry != '\0'; entry += plain::Length(entry) + 1) {
    if (const char* value = ValueIn(entry, name)) return value;
  }
  return nullptr;
}

}  // namespace

// Does not use getenv: shells define their own.
const char* Variable(const char* name) noexcept {
  if (const char* value = FindIn(given, name)) return value;
  for (char** variable = Environment(); variable != nullptr && *variable != nullptr; ++variable) {
    if (const char* value = ValueIn(*variable, name)) return value;
  }
  return FindIn(remembered, name);
}

void Give(const char* variables) noexcept {
  size_t used = 0;
  for (const char* entry = variables; *entry != '\0'; entry += plain::Length(entry) + 1) {
    const size_t size = plain::Length(entry) + 1;
    if (used + size >= sizeof(given)) break;
    for (size_t i = 0; i < size; ++i) given[used + i] = entry[i];
    used += size;
  }
  given[used] = '\0';
}

bool Started() noexcept { return Environment() != nullptr || started; }

bool Disabled() noexcept {
  const char* value = Variable("PQLEASH_DISABLE");
  if (value != nullptr && value[0] != '\0' && !plain::Same(value, "0")) return true;
  const char* intercepted = Variable("PQLEASH_INTERCEPT");
  return intercepted != nullptr && plain::Same(intercepted, "none");
}

}  // namespace pqleash::config
