// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_TESTS_PRELOAD_HOST_TOOLS_H_
#define PQLEASH_TESTS_PRELOAD_HOST_TOOLS_H_

#include <vector>

#include "tests/preload/host_table.h"

namespace pqleash::testing {

// Appends the hosts that are installed beside us. A test of one that is not there is skipped.
void AddHostTools(std::vector<Host>* hosts);

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_PRELOAD_HOST_TOOLS_H_
