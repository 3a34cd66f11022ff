// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_REPORT_COVERAGE_H_
#define PQLEASH_REPORTER_REPORT_COVERAGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// How much of a process's use of libpq the library saw, and how.
struct Coverage {
  std::vector<LibpqCopy> copies;
  Unwinder unwinder = Unwinder::kNone;
  uint64_t bypassed_calls = 0;
  uint64_t bypassed_closes = 0;
  uint64_t uncovered_lookups = 0;
  Intercepted intercepted;
  std::vector<Language> interpreters;
};

Coverage CoverageOf(const Snapshot& snapshot);

// 'libpq 15.18 (/usr/lib/libpq.so.5.15): bound by the dynamic linker'. Not escaped.
std::string DescribeCopy(const LibpqCopy& copy);

// Something that passed the library by. Without a full stop.
struct Bypass {
  std::string what;
  std::string advice;  // what to do
};

// Empty: nothing did, as far as can be seen.
std::vector<Bypass> Bypasses(const Coverage& coverage);

// One copy of libpq at most, bound by the dynamic linker, and nothing passed us by: not worth a
// word.
bool IsPlain(const Coverage& coverage);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REPORT_COVERAGE_H_
