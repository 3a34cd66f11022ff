// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_CONFIG_ENVIRONMENT_H_
#define PQLEASH_SHIM_CONFIG_ENVIRONMENT_H_

namespace pqleash::config {

// Returns the value of the variable `name`, which must begin with PQLEASH_: its current value, or
// else its value when the process started. Daemons clear their environment long before they connect
// (dovecot, and programs that follow CERT's advice). Returns nullptr if the variable has neither.
// The text belongs to the environment or to a static copy. Calls nothing of libc.
const char* Variable(const char* name) noexcept;

// Takes over variables that an attach brings. They win over the environment. The format:
// NAME=VALUE, each with its NUL, one after the other; an empty text ends the list. They are copied
// as far as they fit. Nobody may read variables meanwhile, except in a process that has none of
// ours.
void Give(const char* variables) noexcept;

// Whether the environment can be read yet. It cannot before libc has started, when an object that
// is still being relocated calls libpq.
bool Started() noexcept;

// Whether PQLEASH_DISABLE is set to something other than 0, or PQLEASH_INTERCEPT is 'none'.
bool Disabled() noexcept;

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_ENVIRONMENT_H_
