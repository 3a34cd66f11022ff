// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_TESTS_SUPPORT_WAIT_UNTIL_H_
#define PQLEASH_TESTS_SUPPORT_WAIT_UNTIL_H_

#include <chrono>
#include <functional>

namespace pqleash::testing {

// Asks `condition` until it holds or `limit` is over, and says which. It is asked at least once,
// and once more at the end.
bool WaitUntil(const std::function<bool()>& condition,
               std::chrono::milliseconds limit = std::chrono::seconds(20));

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_SUPPORT_WAIT_UNTIL_H_
