// SPDX-License-Identifier: Apache-2.0
//
// The state of a process that may put a filter around itself is made before main.

#include "shim/config/environment.h"
#include "shim/support/start_scope.h"
#include "shim/tracker/process.h"
#include "shim/tracker/sandbox.h"

namespace pqleash::tracker {

namespace {

__attribute__((constructor)) void Prepare(int argc, char** argv, char** environment) {
  // An attach says what it wants when it has loaded us.
  if (LoadedLate()) return;
  if (!LookForFilterMakers(argc, argv, environment) || config::Disabled()) return;
  Process::CurrentOrCreate();
}

}  // namespace

}  // namespace pqleash::tracker
