// SPDX-License-Identifier: Apache-2.0

#include "reporter/report/coverage.h"

#include <fmt/format.h>

#include <algorithm>

namespace pqleash::reporter {
namespace {

std::string Version(uint32_t version) {
  if (version == 0) return "of unknown version";
  return fmt::format("{}.{}", version / 10'000, version % 10'000);
}

std::string Plural(uint64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

// What to do where connections are opened past us.
std::string HowToSeeThem(const Intercepted& intercepted) {
  if (!intercepted.look_ups || !intercepted.deep_bind) {
    return fmt::format(
        "PQLEASH_INTERCEPT has switched off {}: take the variable out of the environment of the "
        "program and restart it",
        !intercepted.look_ups && !intercepted.deep_bind ? "look-ups with dlsym and RTLD_DEEPBIND"
        : intercepted.look_ups                          ? "RTLD_DEEPBIND"
                                                        : "look-ups with dlsym");
  }
  return "part of the program reaches libpq by a way that cannot be seen, such as a copy with its "
         "symbols hidden, or one that was loaded into another namespace with dlmopen: let it use "
         "the shared libpq; `pqleash doctor --pid` names the copies";
}

}  // namespace

Coverage CoverageOf(const Snapshot& snapshot) {
  return {snapshot.libpq_copies,
          snapshot.process.unwinder,
          snapshot.totals.bypassed_calls,
          snapshot.totals.bypassed_closes,
          snapshot.totals.uncovered_lookups,
          snapshot.process.intercepted,
          snapshot.process.interpreters};
}

std::string DescribeCopy(const LibpqCopy& copy) {
  std::string ways;
  const auto add = [&](bool present, const char* words) {
    if (present) ways += fmt::format("{}{}", ways.empty() ? "" : ", ", words);
  };
  add(copy.ways.bound, "bound by the dynamic linker");
  add(copy.ways.looked_up, "looked up with dlsym");
  add(copy.ways.deep_bind, "from an object loaded with RTLD_DEEPBIND");
  if (ways.empty()) ways = "no call seen yet";
  return fmt::format("libpq {} ({}): {}", Version(copy.version),
                     copy.path.empty() ? "path not known" : copy.path, ways);
}

std::vector<Bypass> Bypasses(const Coverage& coverage) {
  std::vector<Bypass> bypasses;
  if (const uint64_t calls = coverage.bypassed_calls; calls != 0) {
    bypasses.push_back(
        {fmt::format("{} for connections that were opened past the library and are in no list",
                     Plural(calls, "call of libpq was", "calls of libpq were")),
         HowToSeeThem(coverage.intercepted)});
  }
  if (const uint64_t closes = coverage.bypassed_closes; closes != 0) {
    bypasses.push_back({fmt::format("{} destroyed by libpq without a PQfinish that the library saw",
                                    Plural(closes, "connection was", "connections were")),
                        HowToSeeThem(coverage.intercepted)});
  }
  if (const uint64_t functions = coverage.uncovered_lookups; functions != 0) {
    bypasses.push_back(
        {fmt::format("{} given out by dlsym without a wrapper, since the process has more copies "
                     "of libpq than can be told apart: calls of {} are not seen",
                     Plural(functions, "function was", "functions were"),
                     functions == 1 ? "it" : "them"),
         "let the parts of the program share one libpq"});
  }
  return bypasses;
}

bool IsPlain(const Coverage& coverage) {
  const bool bound = std::all_of(
      coverage.copies.begin(), coverage.copies.end(),
      [](const LibpqCopy& copy) { return !copy.ways.looked_up && !copy.ways.deep_bind; });
  return coverage.copies.size() <= 1 && bound && Bypasses(coverage).empty();
}

}  // namespace pqleash::reporter
