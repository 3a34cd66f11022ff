// SPDX-License-Identifier: Apache-2.0
//
// Reports to be exported, built from ledgers as the tool builds them.

#ifndef PQLEASH_TESTS_EXPORTS_EXAMPLE_REPORT_H_
#define PQLEASH_TESTS_EXPORTS_EXAMPLE_REPORT_H_

#include <string>

#include "reporter/report/report.h"

namespace pqleash::reporter {

// A service in C++ with a leak, one in Python with a pool that is too large, caps with a queue, and
// half an hour of history.
Report ExampleReport();

// What HTML, JSON, Markdown, folded stacks and terminals would trip over.
inline const std::string kHostile =
    "a;b </script><img src=x onerror=\"document.title='owned'\"><!-- & `c` | @channel "
    "[d](https://evil.example) \x1b[31m\n\xe2\x80\xae\xff\\";

// A report whose every name is hostile: service, file, function, module, conninfo.
Report HostileReport();

}  // namespace pqleash::reporter

#endif  // PQLEASH_TESTS_EXPORTS_EXAMPLE_REPORT_H_
