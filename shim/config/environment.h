// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_CONFIG_ENVIRONMENT_H_
#define PQLEASH_SHIM_CONFIG_ENVIRONMENT_H_

namespace pqleash::config {

// Value of the variable `name`, which begins with PQLEASH_: as it is now, or as it was when the
// process began. Daemons clear their environment (dovecot, and whoever follows CERT's advice) long
// before they connect. nullptr: neither.
// Calls nothing of libc.
const char* Variable(const char* name) noexcept;

// Whether there is an environment to read yet: not before libc has begun, when an object that is
// being relocated calls.
bool Started() noexcept;

// PQLEASH_DISABLE is set and not 0, or PQLEASH_INTERCEPT is 'none'.
bool Disabled() noexcept;

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_ENVIRONMENT_H_
