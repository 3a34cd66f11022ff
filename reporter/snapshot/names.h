// SPDX-License-Identifier: Apache-2.0
//
// The words for values, the same in every format.

#ifndef PQLEASH_REPORTER_SNAPSHOT_NAMES_H_
#define PQLEASH_REPORTER_SNAPSHOT_NAMES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

std::string_view NameOf(Life life);
// kUnknown for other words.
Life LifeNamed(std::string_view name);
std::string_view NameOf(ConnectionState state);
std::string_view NameOf(Transaction transaction);
// 'none', 'begun', 'attached', 'detached'.
std::string_view NameOf(Attachment attachment);
std::string_view NameOf(Language language);
std::string_view NameOf(Unwinder unwinder);

// 'bound', 'looked_up', 'deep_bind'.
std::vector<std::string> NamesOf(const LibpqWays& ways);

// As in PQLEASH_INTERCEPT: 'dlsym', 'deepbind'.
std::vector<std::string> NamesOf(const Intercepted& intercepted);

// 16 hexadecimal digits; 'unknown' for 0.
std::string CallSiteName(uint64_t id);
// The other way round. No value: it is neither.
std::optional<uint64_t> CallSiteNamed(std::string_view name);

// '0x55d0c1a2b3c0'; '-' for 0.
std::string HandleName(uint64_t handle);

// '15.18' for 150018, 'unknown' for 0.
std::string LibpqVersion(uint32_t version);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_NAMES_H_
