// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_TESTS_SUPPORT_VIOLATIONS_H_
#define PQLEASH_TESTS_SUPPORT_VIOLATIONS_H_

#include <cinttypes>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>

namespace pqleash::testing {

// What went wrong: the first few of each kind. Not thread-safe.
class Violations {
 public:
  void Add(const char* kind, const char* format, ...) __attribute__((format(printf, 3, 4))) {
    if (++counts_[kind] > 5) return;
    printf("VIOLATION %s: ", kind);
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
  }
  bool none() const { return counts_.empty(); }
  uint64_t total() const {
    uint64_t total = 0;
    for (const auto& [kind, count] : counts_) total += count;
    return total;
  }
  void Print() const {
    for (const auto& [kind, count] : counts_) printf("%s: %" PRIu64 "\n", kind.c_str(), count);
  }

 private:
  std::map<std::string, uint64_t> counts_;
};

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_SUPPORT_VIOLATIONS_H_
