// SPDX-License-Identifier: Apache-2.0

#include "shim/config/environment.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

namespace pqleash::config {

namespace {

constexpr std::string_view kPrefix = "PQLEASH_";

// NAME=VALUE, each with its NUL, one behind the other; an empty one ends the list. Copied:
// setproctitle() of postgres, nginx and others writes over the strings that the process was given.
// What does not fit is left to getenv.
constinit char remembered[4096] = {};

// The one thing that runs in every process with the preload: a look at each variable's first
// letters.
__attribute__((constructor)) void Remember() {
  size_t used = 0;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    if (strncmp(*variable, kPrefix.data(), kPrefix.size()) != 0) continue;
    const size_t size = strlen(*variable) + 1;
    if (used + size >= sizeof(remembered)) continue;
    memcpy(remembered + used, *variable, size);
    used += size;
  }
}

}  // namespace

const char* Variable(const char* name) noexcept {
  if (const char* value = getenv(name)) return value;
  const size_t length = strlen(name);
  for (const char* entry = remembered; *entry != '\0'; entry += strlen(entry) + 1) {
    if (strncmp(entry, name, length) == 0 && entry[length] == '=') return entry + length + 1;
  }
  return nullptr;
}

bool Disabled() noexcept {
  const char* value = Variable("PQLEASH_DISABLE");
  return value != nullptr && value[0] != '\0' && strcmp(value, "0") != 0;
}

}  // namespace pqleash::config
